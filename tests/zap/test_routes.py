"""The ZAP dialect, row by row of its contract: what is sent and what comes back."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission

from sessions.models import EndReason, Session
from tests.phones import PASSWORD, SEED_DEVICE_TOKEN, new_name
from users.models import App, DeviceToken, User

pytestmark = pytest.mark.only("zap")
ISO_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def staff(new_phone):
    """A logged-in member of staff who may end sessions."""
    phone = new_phone().sign_up()
    user = User.objects.get(pk=phone.user_id)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="end_session"))
    return phone


def put_logout(caller, user_id, device_token):
    return caller.call("PUT", f"/v1/users/logout/{user_id}", {"deviceToken": device_token}, token=caller.access_token)


def test_the_seed_documents_request_gets_the_seed_documents_answer(new_phone):
    phone = new_phone(device_token=SEED_DEVICE_TOKEN).sign_up()
    answer = put_logout(phone, phone.user_id, SEED_DEVICE_TOKEN)
    assert answer.status == 200
    assert answer.text == '{"success":true,"data":"Logout Successfull"}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_a_user_has_the_documented_fields(new_phone):
    phone = new_phone().sign_up()
    user = phone.me().json["data"]
    assert set(user) == {
        *("id", "name", "username", "email", "phoneNumber", "roleId", "iPAddress", "emailVerified"),
        *("createdAt", "updatedAt"),
    }
    assert re.fullmatch("[0-9a-f]{24}", user["id"])
    assert ISO_MILLISECONDS.fullmatch(user["createdAt"])
    assert user["iPAddress"] == ["127.0.0.1"]


def test_a_login_answers_the_tokens_beside_the_user(new_phone):
    phone = new_phone().sign_up()
    answer = phone.log_in(phone.username).json
    assert list(answer) == ["success", "data", "token", "refreshToken"]
    assert answer["data"]["username"] == phone.username


@pytest.mark.parametrize("field", ["email", "username", "phone"])
def test_a_user_logs_in_by_email_user_name_or_phone_number_in_any_case(new_phone, field):
    phone, name = new_phone(), new_name()
    person = {"username": name, "email": f"{name}@Example.org", "phoneNumber": "+4915112345678", "password": PASSWORD}
    assert phone.call("POST", "/v1/users", person).status == 201
    identity = {"email": person["email"].upper(), "username": name.upper(), "phone": person["phoneNumber"]}[field]
    assert phone.call("POST", "/v1/login", {"identity": identity, "password": PASSWORD}).status == 200
    if field == "email":
        assert phone.call("POST", "/v1/login", {"email": identity, "password": PASSWORD}).status == 200


def test_an_email_means_its_owner_not_somebody_who_took_it_for_a_user_name(new_phone):
    owner = new_phone().sign_up()
    email = f"{owner.username}@example.org"
    User.objects.create_user(email, "another-pass-1")
    answer = owner.call("POST", "/v1/login", {"identity": email, "password": PASSWORD})
    assert answer.json["data"]["id"] == owner.user_id
    assert owner.call("POST", "/v1/login", {"identity": email, "password": "another-pass-1"}).status == 401


def test_what_a_login_sends_beyond_the_identity_is_taken_as_documented(new_phone):
    phone = new_phone().sign_up()
    login = {"identity": phone.username, "password": PASSWORD, "isApp": "true", "twoFaToken": "123456"}
    for device_token in ("", None, "phone"):
        assert phone.call("POST", "/v1/login", login | {"deviceToken": device_token}).status == 200


def test_an_unknown_user_and_a_wrong_password_are_the_same_answer_and_the_same_work(new_phone, mocker_of_hashing):
    phone = new_phone().sign_up()
    answers = []
    for identity in (phone.username, "nobody"):
        mocker_of_hashing.clear()
        answers.append(phone.call("POST", "/v1/login", {"identity": identity, "password": "wrong-pass-1"}))
        assert len(mocker_of_hashing) == 1
    assert answers[0].status == 401
    assert answers[0].text == answers[1].text
    assert answers[0].json["code"] == "invalid_credentials"
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="zapauth"'


@pytest.fixture
def mocker_of_hashing(monkeypatch):
    """Records each password hash that is computed."""
    from users.credentials import OwaspArgon2

    hashed = []
    encode, verify = OwaspArgon2.encode, OwaspArgon2.verify
    monkeypatch.setattr(OwaspArgon2, "encode", lambda *args: hashed.append("encode") or encode(*args))
    monkeypatch.setattr(OwaspArgon2, "verify", lambda *args: hashed.append("verify") or verify(*args))
    return hashed


def test_a_disabled_account_is_told_so_only_with_the_right_password(new_phone):
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(is_active=False)
    assert phone.log_in(phone.username).status == 403
    assert phone.last.json["code"] == "account_disabled"
    assert phone.call("POST", "/v1/login", {"identity": phone.username, "password": "wrong-pass-1"}).status == 401


def test_an_app_that_is_switched_off_logs_nobody_in(new_phone):
    phone = new_phone().sign_up()
    App.objects.update(is_active=False)
    assert (phone.log_in(phone.username).status, phone.last.json["code"]) == (403, "app_inactive")


@pytest.mark.parametrize("field", ["username", "email", "phoneNumber"])
def test_a_taken_identity_is_a_422_that_names_the_field(new_phone, field):
    phone = new_phone()
    first = {"username": new_name(), "email": "a@example.org", "phoneNumber": "+491", "password": PASSWORD}
    second = {"username": new_name(), "email": "b@example.org", "phoneNumber": "+492", "password": PASSWORD}
    assert phone.call("POST", "/v1/users", first).status == 201
    refused = phone.call("POST", "/v1/users", second | {field: first[field].upper()})
    assert refused.status == 422
    assert list(refused.json["errors"]) == [field]
    assert refused.json["code"] == {"phoneNumber": "phone_number"}.get(field, field) + "_taken"
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short-1", "no-digit-here", "nospecial123", "x" * 127 + "-1"])
def test_a_password_has_its_bounds(new_phone, password):
    body = {"username": new_name(), "email": "a@example.org", "password": password}
    answer = new_phone().call("POST", "/v1/users", body)
    assert answer.status == 400
    assert list(answer.json["errors"]) == ["password"]


def test_what_could_raise_rights_is_ignored_from_others_and_taken_from_staff(new_phone, staff):
    User.objects.get(pk=staff.user_id).user_permissions.add(Permission.objects.get(codename="add_user"))
    body = {"email": None, "password": PASSWORD, "roleId": 63847623874682374682376, "referralCode": "friend"}

    def made(caller):
        name = new_name()
        person = body | {"username": name, "email": f"{name}@example.org"}
        return caller.call("POST", "/v1/users", person, token=caller.access_token).json["data"]

    assert made(new_phone())["roleId"] is None
    assert made(staff)["roleId"] == 63847623874682374682376


def test_registration_can_be_closed_to_all_but_staff(new_phone, staff, settings):
    settings.REGISTRATION_OPEN = False
    User.objects.get(pk=staff.user_id).user_permissions.add(Permission.objects.get(codename="add_user"))
    body = {"username": new_name(), "email": "a@example.org", "password": PASSWORD}
    closed = new_phone().call("POST", "/v1/users", body)
    assert (closed.status, closed.json["code"]) == (403, "registration_closed")
    assert staff.call("POST", "/v1/users", body, token=staff.access_token).status == 201


# --- logout ------------------------------------------------------------------------------------


def test_a_logout_ends_the_users_other_sessions_on_the_same_device_token_only(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    earlier = new_phone(device_token="phone")
    elsewhere = new_phone(device_token="tablet")
    for other in (earlier, elsewhere):
        other.log_in(phone.username)
    assert put_logout(phone, phone.user_id, "phone").status == 200
    assert earlier.me().status == 401
    assert earlier.refresh().status == 401
    assert elsewhere.me().status == 200


def test_a_device_token_that_is_not_known_ends_the_callers_session_and_nothing_else(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    other = new_phone(device_token="other")
    other.log_in(phone.username)
    assert put_logout(phone, phone.user_id, "never seen").status == 200
    assert phone.me().status == 401
    assert other.me().status == 200
    assert not DeviceToken.objects.filter(token="never seen").exists()


def test_somebody_elses_device_token_stays_theirs(new_phone):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    assert put_logout(phone, phone.user_id, "theirs").status == 200
    assert other.me().status == 200
    assert DeviceToken.objects.get(token="theirs").user_id == other.user_id


@pytest.mark.parametrize("device_token", [None, "", "  ", 7, ["phone"], {"a": 1}, "x" * 4097])
def test_a_device_token_that_is_none_changes_nothing(new_phone, device_token):
    phone = new_phone(device_token="phone").sign_up()
    refused = put_logout(phone, phone.user_id, device_token)
    assert refused.status == 400
    assert list(refused.json["errors"]) == ["deviceToken"]
    assert phone.me().status == 200
    assert DeviceToken.objects.get().user_id == phone.user_id


def test_the_longest_device_token_logs_in_and_out(new_phone):
    phone = new_phone(device_token="x" * 4096).sign_up()
    assert phone.log_out().status == 200
    assert DeviceToken.objects.get().user_id is None


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_anothers_id_is_a_403_be_it_known_or_not(new_phone, method):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    body = {"deviceToken": "theirs"} if method == "PUT" else None
    answers = [
        phone.call(method, f"/v1/users/logout/{user_id}", body, token=phone.access_token)
        for user_id in (other.user_id, "0" * 24, "not-an-id")
    ]
    assert [answer.status for answer in answers] == [403] * 3
    assert len({answer.text for answer in answers}) == 1
    assert phone.me().status == other.me().status == 200
    assert DeviceToken.objects.get(token="theirs").user_id == other.user_id


def test_staff_log_out_anothers_phone_and_stay_logged_in_themselves(new_phone, staff):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    assert put_logout(staff, phone.user_id, "phone").status == 200
    assert phone.me().status == 401
    assert tablet.me().status == staff.me().status == 200
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.STAFF, staff.user_id)
    assert DeviceToken.objects.get(token="phone").user_id is None


def test_staff_end_all_of_a_users_sessions_by_get(new_phone, staff):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    path = f"/v1/users/logout/{phone.user_id}"
    assert staff.call("GET", path, token=staff.access_token).json["data"] == "Logout Successfull"
    assert phone.me().status == tablet.me().status == 401
    assert not DeviceToken.objects.exclude(user=None).exists()
    assert staff.me().status == 200


def test_staff_leave_another_users_claim_to_the_device_token_alone(new_phone, staff):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    assert put_logout(staff, phone.user_id, "theirs").status == 200
    assert DeviceToken.objects.get(token="theirs").user_id == other.user_id
    assert other.me().status == phone.me().status == 200


def test_staff_are_told_of_an_unknown_id_and_may_not_end_a_superusers_sessions(new_phone, staff):
    boss = new_phone().sign_up()
    User.objects.filter(pk=boss.user_id).update(is_superuser=True)
    assert put_logout(staff, "0" * 24, "phone").status == 404
    assert put_logout(staff, "%00", "phone").status == 404
    assert put_logout(staff, boss.user_id, "phone").status == 403
    assert boss.me().status == 200


def test_a_web_logout_by_get_needs_no_device_and_is_never_stored(new_phone):
    phone = new_phone().sign_up()
    answer = phone.call("GET", f"/v1/users/logout/{phone.user_id}", token=phone.access_token)
    assert answer.text == '{"success":true,"data":"Logout Successfull"}'
    assert answer.headers["cache-control"] == "no-store"
    assert phone.me().status == 401


def test_an_expired_token_of_a_live_session_can_still_log_out_and_nothing_else(new_phone, staff, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone(device_token="phone").sign_up()
        staff.log_in(staff.username)
        clock.shift(settings.ACCESS_TOKEN_LIFETIME + timedelta(hours=24))
        assert phone.me().json["code"] == "token_expired"
        assert put_logout(phone, "0" * 24, "phone").status == 401
        assert put_logout(staff, phone.user_id, "phone").status == 401
        assert put_logout(phone, phone.user_id, "phone").status == 200
        assert phone.refresh().status == 401
        assert DeviceToken.objects.get().user_id is None
        assert put_logout(phone, phone.user_id, "phone").status == 401


def test_an_expired_token_of_an_expired_session_cannot_log_out(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone(device_token="phone").sign_up()
        clock.shift(settings.SESSION_LIFETIME)
        assert put_logout(phone, phone.user_id, "phone").status == 401


def test_a_word_behind_the_token_is_refused(new_phone):
    phone = new_phone().sign_up()
    answer = phone.send("GET", "/v1/users/token", headers={"Authorization": f"Bearer {phone.access_token} junk"})
    assert (answer.status, answer.json["code"]) == (401, "token_invalid")


def test_a_401_says_in_rfc_6750s_words_what_is_wrong(new_phone):
    phone = new_phone().sign_up()
    missing = phone.call("GET", "/v1/users/token").headers["www-authenticate"]
    assert missing == 'Bearer realm="zapauth"'
    phone.log_out()
    assert 'error="invalid_token"' in phone.me().headers["www-authenticate"]
