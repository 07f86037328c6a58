"""`POST /v1/login`, `POST /v1/refresh` and `GET /v1/users/token`."""

import json

import pytest

from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, new_name, promote, pushes_of, work_of
from users.models import App, User

pytestmark = pytest.mark.only("zap")


def test_post_login_answers_a_whole_answer_within_data_with_the_user_and_the_tokens(new_phone):
    phone = new_phone().sign_up()
    answer = phone.log_in(phone.username).json
    assert list(answer) == ["success", "data"]
    inner = answer["data"]
    assert list(inner)[:4] == ["success", "data", "token", "refreshToken"]
    assert inner["success"] is True
    assert inner["data"] == zap_success(phone.ask("GET", f"/v1/users/{phone.user_id}"))
    assert phone.me(inner["token"]).json["data"]["id"] == inner["data"]["id"]
    assert phone.refresh().status == 200


def test_post_login_has_five_fields_of_the_user_beside_the_token_for_clients_of_the_older_page(new_phone):
    phone = new_phone().sign_up()
    inner = zap_success(phone.log_in(phone.username))
    fields = ["id", "name", "email", "createdAt", "updatedAt"]
    assert list(inner)[4:] == fields
    assert [inner[name] for name in fields] == [inner["data"][name] for name in fields]


@pytest.mark.parametrize("field", ["email", "username", "phone number"])
def test_an_identity_is_an_email_a_user_name_or_a_phone_number_in_any_case(new_phone, field):
    phone, name = new_phone(), new_name()
    person = {"username": name, "email": f"{name}@Example.org", "phoneNumber": "+4915112345678", "password": PASSWORD}
    made = zap_success(phone.call("POST", "/v1/users", person))
    identity = {"email": f"{name}@EXAMPLE.org", "username": name.upper(), "phone number": "+4915112345678"}[field]
    answer = phone.call("POST", "/v1/login", {"identity": identity, "password": PASSWORD})
    assert zap_success(answer)["data"]["id"] == made["id"]


def test_an_email_may_stand_in_the_place_of_the_identity(new_phone):
    phone = new_phone().sign_up()
    email = f"{phone.username}@example.org"
    assert zap_success(phone.call("POST", "/v1/login", {"email": email, "password": PASSWORD}))["email"] == email
    neither = phone.call("POST", "/v1/login", {"password": PASSWORD})
    assert zap_fields(neither) == (400, "invalid_request", ["identity"])


def test_a_verified_email_means_its_owner_not_somebody_who_took_it_for_a_user_name(new_phone):
    owner = new_phone().sign_up()
    User.objects.update(email_verified=True)
    email = f"{owner.username}@example.org"
    User.objects.create_user(email, "another-pass-1")
    answer = owner.call("POST", "/v1/login", {"identity": email, "password": PASSWORD})
    assert answer.json["data"]["data"]["id"] == owner.user_id
    assert owner.call("POST", "/v1/login", {"identity": email, "password": "another-pass-1"}).status == 401


@pytest.mark.parametrize(
    ("name", "claim"),
    [("ann@example.org", {"email": "ann@example.org"}), ("+4915112345678", {"phone_number": "+4915112345678"})],
)
def test_an_email_or_a_phone_number_that_nobody_verified_does_not_hide_a_user_of_that_name(new_phone, name, claim):
    ann = User.objects.create_user(name, PASSWORD)
    User.objects.create_user("thief", "another-pass-1", **claim)
    answer = new_phone().call("POST", "/v1/login", {"identity": name, "password": PASSWORD})
    assert zap_success(answer)["id"] == ann.pk


@pytest.mark.parametrize("device_token", ["", None, "phone"])
def test_a_device_token_may_come_with_a_login_and_becomes_the_users(new_phone, device_token):
    phone = new_phone().sign_up()
    login = {"identity": phone.username, "password": PASSWORD, "deviceToken": device_token}
    zap_success(phone.call("POST", "/v1/login", login))
    assert pushes_of(phone.user_id) == ([device_token] if device_token else [])


@pytest.mark.parametrize("is_app", ["true", True])
def test_is_app_and_two_fa_token_may_come_with_a_login(new_phone, is_app):
    phone = new_phone().sign_up()
    login = {"identity": phone.username, "password": PASSWORD, "isApp": is_app, "twoFaToken": "123456"}
    zap_success(phone.call("POST", "/v1/login", login))


@pytest.mark.parametrize(
    ("known", "unknown"), [("ann_lee", "nobody"), ("ann_lee@example.org", "nobody@example.org"), ("+491", "+492")]
)
def test_an_unknown_user_and_a_wrong_password_are_the_same_answer_and_the_same_work(new_phone, known, unknown):
    phone = new_phone().sign_up("ann_lee")
    User.objects.update(phone_number="+491")
    answers, works = [], []
    for identity in (known, unknown):
        body = {"identity": identity, "password": "wrong-pass-1"}
        works.append(work_of(lambda body=body: phone.call("POST", "/v1/login", body)))
        answers.append(phone.last)
    assert zap_error(answers[0]) == (401, "invalid_credentials")
    assert answers[0].text == answers[1].text
    assert works[0] == works[1]
    assert works[0].hashes == 1
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="zapauth"'


def test_a_disabled_account_is_told_so_only_with_the_right_password(new_phone):
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(is_active=False)
    assert zap_error(phone.log_in(phone.username)) == (403, "account_disabled")
    wrong = {"identity": phone.username, "password": "wrong-pass-1"}
    assert zap_error(phone.call("POST", "/v1/login", wrong)) == (401, "invalid_credentials")


def test_an_app_that_is_switched_off_logs_nobody_in(new_phone):
    phone = new_phone().sign_up()
    App.objects.update(is_active=False)
    assert zap_error(phone.log_in(phone.username)) == (403, "app_inactive")


def test_attempts_at_an_app_that_is_switched_off_do_not_count(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 900), "login_known": (2, 900)}
    phone = new_phone().sign_up()
    App.objects.update(is_active=False)
    for _ in range(3):
        assert zap_error(phone.log_in(phone.username)) == (403, "app_inactive")
    App.objects.update(is_active=True)
    zap_success(phone.log_in(phone.username))


def test_post_refresh_answers_a_token_that_is_good(new_phone):
    phone = new_phone().sign_up()
    data = zap_success(phone.refresh())
    assert data.keys() == {"token"}
    assert phone.me(data["token"]).json["data"]["id"] == phone.user_id


def test_post_refresh_answers_a_refresh_token_as_well_where_it_was_rotated(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone().sign_up()
    data = zap_success(phone.refresh())
    assert data.keys() == {"token", "refreshToken"}
    phone.refresh_token = data["refreshToken"]
    assert zap_success(phone.refresh())["refreshToken"] != data["refreshToken"]


def test_get_users_token_alone_has_the_second_factor_without_its_secret_and_the_user_agents(new_phone):
    phone = new_phone().sign_up()
    user = zap_success(phone.ask("GET", f"/v1/users/{phone.user_id}"))
    assert zap_success(phone.me()) == user | {"twoFA": {"secret": "", "enabled": False}, "userAgent": []}


def test_the_last_ten_user_agents_that_somebody_logged_in_with_are_kept_newest_first(new_phone):
    phone = new_phone().sign_up()
    body = json.dumps({"identity": phone.username, "password": PASSWORD})
    for agent in [*(f"App/{number}" for number in range(12)), "App/5", "x" * 600, "", "y\0z"]:
        headers = {"Content-Type": "application/json", "User-Agent": agent}
        zap_success(phone.send("POST", "/v1/login", headers=headers, content=body))
    kept = [f"App/{number}" for number in (5, 11, 10, 9, 8, 7, 6, 4)]
    assert zap_success(phone.me())["userAgent"] == ["yz", "x" * 512, *kept]


def test_get_users_token_answers_the_callers_own_user(new_phone):
    phone, other = new_phone().sign_up(), promote(new_phone().sign_up(), "users.view_user")
    assert zap_success(phone.me())["username"] == phone.username
    assert zap_success(other.me())["id"] == other.user_id
