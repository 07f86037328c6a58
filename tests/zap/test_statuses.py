"""Each status of ZAP, and when it occurs."""

from datetime import timedelta

import pytest
import time_machine

from sessions.tokens.keys import new_private_key_pem
from tests.bad_input import LIMIT, Genuine, failing, zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, new_name, promote, reset_code_in
from users.models import User

pytestmark = pytest.mark.only("zap")
JSON = {"Content-Type": "application/json"}
LOGIN = f'{{"identity": "ann_lee", "password": "{PASSWORD}"}}'


@pytest.fixture
def ann(new_phone):
    return new_phone().sign_up("ann_lee")


def test_200_is_for_a_request_that_was_carried_out(ann):
    assert ann.send("POST", "/v1/login", headers=JSON, content=LOGIN).status == 200


def test_201_is_for_a_created_user(new_phone):
    body = {"username": "ann_lee", "email": "ann@example.org", "password": PASSWORD}
    made = new_phone().call("POST", "/v1/users", body)
    assert made.status == 201
    assert User.objects.get().pk == made.json["data"]["id"]


def test_400_is_for_malformed_json(ann):
    assert zap_error(ann.send("POST", "/v1/login", headers=JSON, content=LOGIN[:-1])) == (400, "invalid_json")


def test_400_is_for_a_body_that_is_not_an_object(ann):
    assert zap_error(ann.send("POST", "/v1/login", headers=JSON, content=f"[{LOGIN}]")) == (400, "invalid_request")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_400_is_for_a_missing_or_wrong_content_type(ann, kind):
    refused = ann.send("POST", "/v1/login", headers={"Content-Type": kind} if kind else {}, content=LOGIN)
    assert zap_error(refused) == (400, "unsupported_media_type")


@pytest.mark.parametrize("wrong", [{}, {"identity": None}, {"identity": 7}, {"identity": ["ann_lee"]}])
def test_400_is_for_a_missing_or_ill_typed_field(ann, wrong):
    refused = ann.call("POST", "/v1/login", {"password": PASSWORD} | wrong)
    assert zap_fields(refused) == (400, "invalid_request", ["identity"])


def test_400_is_for_a_value_out_of_bounds(ann):
    refused = ann.ask("PUT", f"/v1/users/{ann.user_id}", {"username": "x" * 21})
    assert zap_fields(refused) == (400, "invalid_request", ["username"])
    assert ann.me().json["data"]["username"] == "ann_lee"


def test_400_is_for_a_body_too_large(ann):
    refused = ann.send("POST", "/v1/login", headers=JSON, content=LOGIN.ljust(LIMIT + 1))
    assert zap_error(refused) == (400, "body_too_large")
    assert ann.send("POST", "/v1/login", headers=JSON, content=LOGIN.ljust(LIMIT)).status == 200


def challenge(reply):
    return reply.headers["www-authenticate"]


def test_401_is_for_no_token_and_says_only_by_which_scheme_to_come(ann):
    refused = ann.call("GET", "/v1/users/token")
    assert zap_error(refused) == (401, "token_missing")
    # RFC 6750 §3.1: the challenge to a request without a token has no error code.
    assert challenge(refused) == 'Bearer realm="zapauth"'


def test_401_is_for_a_malformed_token(ann):
    for token in ("garbage", "a.b.c", ann.access_token[:-10], f"{ann.access_token} junk"):
        refused = ann.me(token)
        assert zap_error(refused) == (401, "token_invalid")
        assert 'error="invalid_token"' in challenge(refused)


def test_401_is_for_an_expired_token(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        clock.shift(settings.ACCESS_TOKEN_LIFETIME - timedelta(seconds=1))
        assert phone.me().status == 200
        clock.shift(timedelta(seconds=1))
        assert zap_error(phone.me()) == (401, "token_expired")
        assert 'error="invalid_token"' in challenge(phone.last)


def test_401_is_for_a_wrongly_signed_token(ann, settings):
    settings.SIGNING_KEYS = new_private_key_pem()
    assert zap_error(ann.me()) == (401, "token_invalid")
    assert 'error="invalid_token"' in challenge(ann.last)


def test_401_is_for_a_token_of_the_wrong_type(ann):
    buddy = BuddyPhone(InProcess()).sign_up()
    for token in (ann.refresh_token, buddy.access_token, buddy.app_token):
        assert zap_error(ann.me(token)) == (401, "token_invalid")
        assert 'error="invalid_token"' in challenge(ann.last)
    assert zap_error(ann.call("POST", "/v1/refresh", {"refreshToken": ann.access_token})) == (401, "token_invalid")


def test_401_is_for_a_token_whose_session_has_ended(ann):
    ann.log_out()
    assert zap_error(ann.me()) == (401, "session_ended")
    assert 'error="invalid_token"' in challenge(ann.last)


def test_403_is_for_a_valid_token_but_not_for_this(ann):
    other = User.objects.create_user(new_name())
    assert zap_error(ann.ask("GET", f"/v1/users/{other.pk}")) == (403, "permission_denied")


def test_404_is_for_an_unknown_path_whoever_asks(ann):
    for reply in (
        ann.ask("GET", "/v1/nothing"),
        ann.call("GET", "/v1/nothing", token="garbage"),
        ann.call("POST", "/v1/logout"),
    ):
        assert zap_error(reply) == (404, "not_found")


def test_404_is_for_an_unknown_id_where_the_caller_may_know(ann):
    unknown = f"/v1/users/{'0' * 24}"
    assert zap_error(ann.ask("GET", unknown)) == (403, "permission_denied")
    promote(ann, "users.view_user")
    assert zap_error(ann.ask("GET", unknown)) == (404, "not_found")


def test_405_is_for_a_wrong_method(ann):
    refused = ann.send("GET", "/v1/login")
    assert zap_error(refused) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


def test_422_is_for_a_well_formed_request_that_a_rule_refuses(ann):
    again = {"username": "ANN_LEE", "email": "another@example.org", "password": PASSWORD}
    assert zap_fields(ann.call("POST", "/v1/users", again)) == (422, "username_taken", ["username"])
    assert User.objects.count() == 1


def test_429_is_for_too_many_attempts_and_says_after_how_many_seconds_to_come_back(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 900), "login_known": (2, 900)}
    wrong = {"identity": "ann_lee", "password": "wrong-pass-1"}
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        ann = new_phone().sign_up("ann_lee")
        clock.shift(timedelta(hours=1))
        assert [ann.call("POST", "/v1/login", wrong).status for _ in range(2)] == [401, 401]
        clock.shift(timedelta(seconds=60))
        assert zap_error(ann.log_in("ann_lee")) == (429, "too_many_attempts")
        assert ann.last.headers["retry-after"] == "840"
        clock.shift(timedelta(seconds=840))
        assert ann.log_in("ann_lee").status == 200


def test_429_is_for_too_many_reset_codes_asked_for_be_the_identity_known_or_not(ann, mailoutbox, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset": (2, 600), "reset_known": (2, 600)}
    for identity in ("ann_lee", "nobody"):
        answers = [ann.call("POST", "/v1/otp/forgotPassword", {"identity": identity}) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert zap_error(answers[-1]) == (429, "too_many_attempts")
        assert 590 <= int(answers[-1].headers["retry-after"]) <= 600
    assert len(mailoutbox) == 2


def test_429_is_for_too_many_reset_codes_tried_be_the_next_one_right(ann, mailoutbox, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_try": (2, 600), "reset_try_known": (2, 600)}
    ann.call("POST", "/v1/otp/forgotPassword", {"identity": "ann_lee"})
    code = reset_code_in(mailoutbox[0])
    for identity in ("ann_lee", "nobody"):
        body = {"identity": identity, "newPassword": "another-pass-2"}
        tries = [ann.call("POST", "/v1/forgotPassword", body | {"otp": otp}) for otp in ("wrong", "wrong", code)]
        assert [reply.status for reply in tries] == [422, 422, 429]
        assert 590 <= int(tries[-1].headers["retry-after"]) <= 600
    assert ann.log_in("ann_lee").status == 200


def test_500_is_for_a_bug_which_is_logged_with_its_request_id_and_shown_without_internals(ann, caplog):
    headers = JSON | {"X-Request-ID": "the-request"}
    with failing("zapauth.zap.viewsets.log_in_with_refresh", caplog) as logged:
        broken = ann.send("POST", "/v1/login", headers=headers, content=LOGIN)
    assert zap_error(broken) == (500, "server_error")
    assert "secret" not in broken.text
    assert broken.headers["x-request-id"] == "the-request"
    assert logged == [("ERROR", "the-request", "the inner secret")]


def test_the_scheme_of_the_authorization_header_is_bearer_in_any_case(ann):
    # This must succeed, so that below only the scheme can cause the refusal.
    token = Genuine(ann.access_token).claiming()
    for scheme in ("Bearer", "bearer", "BEARER"):
        zap_success(ann.send("GET", "/v1/users/token", headers={"Authorization": f"{scheme} {token}"}))
    for scheme in ("Buddy", "Basic", "Token"):
        refused = ann.send("GET", "/v1/users/token", headers={"Authorization": f"{scheme} {token}"})
        assert zap_error(refused) == (401, "token_missing")
