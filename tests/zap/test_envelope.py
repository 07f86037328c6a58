"""ZAP's envelope: the one shape of all answers under `/v1/`, with their ids and times."""

import itertools
import re

import pytest
import time_machine

from sessions.models import Session
from tests.bad_input import failing, zap_error
from tests.phones import PASSWORD, new_name, promote, reset_code_in
from tests.second_factor import Authenticator
from users.models import User
from zapauth.zap.urls import urlpatterns

pytestmark = pytest.mark.only("zap")
ISO_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OBJECT_ID = re.compile(r"[0-9a-f]{24}")


@pytest.fixture
def answers(new_phone, mailoutbox):
    """Make one valid call of each route. Returns the answers by method and route."""

    def all_of(slash=""):
        replies = {}

        def ask(phone, method, route, body=None, **ids):
            path = re.sub(r":(\w+)", lambda name: ids[name[1]], route) + slash
            replies[method, route] = phone.ask(method, path, body)
            return replies[method, route].json

        nobody, staff, phone = new_phone(), promote(new_phone().sign_up(), "users.view_user"), new_phone()
        name, other = new_name(), new_phone()
        person = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        own = {"user_id": ask(nobody, "POST", "/v1/users", person)["data"]["id"]}
        tokens = ask(phone, "POST", "/v1/login", {"identity": name, "password": PASSWORD})["data"]
        phone.access_token = tokens["token"]
        ask(nobody, "POST", "/v1/refresh", {"refreshToken": tokens["refreshToken"]})
        ask(phone, "GET", "/v1/users/token")
        ask(staff, "GET", "/v1/users")
        ask(phone, "GET", "/v1/notification/security")
        ask(phone, "GET", "/v1/users/:user_id", **own)
        ask(phone, "PUT", "/v1/users/:user_id", {"name": "Ann Lee"}, **own)
        ask(phone, "PUT", "/v1/users/updatePhone/:user_id", {"phoneNumber": "+49"}, **own)
        other.log_in(name)
        listed = ask(phone, "GET", "/v1/users/:user_id/sessions", **own)["data"]["sessionData"]
        session = next(session["id"] for session in listed if not session["current"])
        ask(phone, "DELETE", "/v1/users/:user_id/sessions/:session_id", **own, session_id=session)
        ask(phone, "POST", "/v1/users/:user_id/sessions/logout", {"scope": "others"}, **own)
        change = {"userId": own["user_id"], "email": person["email"], "oldPassword": PASSWORD}
        ask(phone, "POST", "/v1/changePassword", change | {"newPassword": PASSWORD + "2"})
        ask(phone, "PUT", "/v1/users/logout/:user_id", {"deviceToken": "phone"}, **own)
        ask(nobody, "POST", "/v1/otp/forgotPassword", {"identity": name})
        reset = {"identity": name, "otp": reset_code_in(mailoutbox[-1]), "newPassword": PASSWORD}
        ask(nobody, "POST", "/v1/forgotPassword", reset)
        ask(nobody, "POST", "/v1/otp", {"email": person["email"], "userId": own["user_id"]})
        ask(nobody, "POST", "/v1/otp/resend", {"username": name})
        verify = {"identity": name, "otp": reset_code_in(mailoutbox[-1])}
        ask(nobody, "POST", "/v1/otp/verify", verify)
        phone.log_in(name)
        secret = ask(phone, "POST", "/v1/users/:user_id/enable2fa", **own)["data"]["base32Secret"]
        ask(phone, "POST", "/v1/users/:user_id/verify2FA", {"token": Authenticator(secret).code()}, **own)
        ask(phone, "POST", "/v1/users/:user_id/disable2fa", {"password": PASSWORD}, **own)
        for method, route in [("GET", "/v1/users/logout/:user_id"), ("DELETE", "/v1/users/:user_id")]:
            phone.log_in(name)
            ask(phone, method, route, **own)
        return replies

    return all_of


def routes():
    """Each method and path of the url patterns, with parameters as in the documentation."""
    for pattern in urlpatterns:
        path = re.sub(r"\(\?P<(\w+)>[^)]+\)", r":\1", pattern.pattern.regex.pattern).strip("^$").removesuffix("/?")
        for method, action in pattern.callback.actions.items():
            if method != "head" and action != "http_method_not_allowed":
                yield method.upper(), f"/v1/{path}"


def test_every_route_is_among_the_answers_that_these_tests_look_at(answers):
    assert set(answers()) == set(routes())


def test_a_success_is_success_true_and_data_on_every_route(answers):
    for route, reply in answers().items():
        beside = ["recoveryCodes"] if route[1].endswith("verify2FA") else []
        assert list(reply.json) == ["success", "data", *beside], route
        assert reply.json["success"] is True, route


def test_the_content_type_is_json_in_utf_8_on_every_route(answers):
    for route, reply in answers().items():
        assert reply.headers["content-type"] == "application/json; charset=utf-8", route


def test_a_trailing_slash_is_the_same_path_on_every_route(answers):
    without, with_slash = answers(), answers("/")
    assert [(route, reply.status) for route, reply in with_slash.items()] == [
        (route, reply.status) for route, reply in without.items()
    ]


def test_every_response_carries_a_request_id_the_requests_own_or_one_that_is_made(new_phone):
    phone = new_phone()
    for path in ("/v1/login", "/v1/nothing"):
        given = phone.send("POST", path, headers={"X-Request-ID": "the-phones.own_1"})
        made = [phone.send("POST", path).headers["x-request-id"] for _ in range(2)]
        assert given.headers["x-request-id"] == "the-phones.own_1"
        assert made[0] != made[1]


def test_an_error_is_success_false_with_a_message_and_a_code(new_phone):
    refused = new_phone().call("GET", "/v1/users/token")
    assert refused.json.keys() == {"success", "message", "code"}
    assert (refused.json["success"], refused.json["code"]) == (False, "token_missing")
    assert refused.headers["content-type"] == "application/json; charset=utf-8"


def test_errors_stand_only_where_fields_are_at_fault(new_phone):
    phone = new_phone()
    of_fields = phone.call("POST", "/v1/login", {"identity": 7})
    assert of_fields.json.keys() == {"success", "message", "code", "errors"}
    assert of_fields.json["errors"].keys() == {"identity", "password"}
    assert all(texts and isinstance(texts, list) for texts in of_fields.json["errors"].values())
    of_none = phone.call("POST", "/v1/login", {"identity": "nobody", "password": "wrong-pass-1"})
    assert "errors" not in of_none.json


def test_no_answer_of_a_v1_path_has_another_shape(new_phone, caplog):
    phone = new_phone()
    json = {"Content-Type": "application/json"}
    assert zap_error(phone.send("GET", "/v1/nothing")) == (404, "not_found")
    assert zap_error(phone.send("GET", "/v1")) == (404, "not_found")
    assert zap_error(phone.send("DELETE", "/v1/login")) == (405, "method_not_allowed")
    assert zap_error(phone.send("POST", "/v1/login", headers=json, content="{")) == (400, "invalid_json")
    assert zap_error(phone.send("POST", "/v1/login", headers={"Host": "evil.example"})) == (400, "bad_request")
    with failing("zapauth.zap.viewsets.get_user_by_identity", caplog):
        broken = phone.send("POST", "/v1/login", headers=json, content='{"identity": "ann", "password": "x"}')
    assert zap_error(broken) == (500, "server_error")


def test_ids_are_opaque_24_lowercase_hex_digits_and_never_sequential(new_phone):
    phone = new_phone().sign_up()
    shown = [phone.me().json["data"]["id"]] + [User.objects.create_user(new_name()).pk for _ in range(30)]
    assert all(OBJECT_ID.fullmatch(text) for text in shown)
    assert shown != sorted(shown)
    numbers = sorted(int(text, 16) for text in shown)
    assert all(after - before > 2**32 for before, after in itertools.pairwise(numbers))


@time_machine.travel("2023-02-27T16:57:05.913999Z", tick=False)
def test_times_are_iso_8601_in_utc_with_milliseconds(new_phone):
    phone = new_phone().sign_up()
    user = phone.me().json["data"]
    assert user["createdAt"] == user["updatedAt"] == "2023-02-27T16:57:05.913Z"
    (session,) = phone.ask("GET", f"/v1/users/{phone.user_id}/sessions").json["data"]["sessionData"]
    assert session["createdAt"] == session["lastSeenAt"] == "2023-02-27T16:57:05.913Z"
    assert ISO_MILLISECONDS.fullmatch(session["expiresAt"])
    assert session["id"] == str(Session.objects.get().pk)
