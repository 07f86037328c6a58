"""Too many attempts: who is refused, with which answer and for how long, and who is not."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from tests.from_address import call
from tests.locks import is_waited_for
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, new_name, promote, reset_code_in, work_of
from tests.threads import other_threads
from tests.waiting import wait_until
from users.models import Throttle, User
from users.throttling import Allowance, count_attempt, forget_past, identity_of, keys_of, network_of, take_back

WRONG = "wrong-pass-1"
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _few(settings):
    settings.TRUSTED_PROXIES = 1  # so that a test can call from any address
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {
        "login": (3, 900),
        "login_anywhere": (5, 3600),
        "reset": (2, 3600),
        "reset_try": (4, 3600),
        "reset_address": (6, 3600),
    }


def log_in(phone, name, password, **where):
    if phone.dialect == "zap":
        return call(phone, "POST", "/v1/login", {"identity": name, "password": password}, **where)
    return call(phone, "POST", "/users/login", {"username": name, "password": password}, **where)


def stranger_to_somebody(new_phone):
    """Make a phone with the ``username`` of a user who never logged in on it, nor from the addresses of these tests."""
    owner, phone = new_phone().sign_up(), new_phone()
    phone.username, phone.user_id = owner.username, owner.user_id
    return phone


def assert_throttled(answer, dialect, seconds):
    assert answer.status == 429
    assert answer.headers["retry-after"] == str(seconds)
    if dialect == "zap":
        assert (answer.json["success"], answer.json["code"]) == (False, "too_many_attempts")
    else:
        assert (answer.json["error"], answer.json["errorNumber"], answer.json["status"]) == ("AuthFailed", 0x100, 429)


def test_a_correct_password_fails_in_the_same_words_while_locked_and_works_after(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    name = phone.username
    assert [log_in(phone, name, WRONG).status for _ in range(3)] == [401] * 3
    clock.shift(10 * SECOND)
    wrong, right = log_in(phone, name, WRONG), log_in(phone, name, PASSWORD)
    for answer in (wrong, right):
        assert_throttled(answer, phone.dialect, 890)
    strip = lambda answer: {k: v for k, v in answer.json.items() if k != "request_id"}  # noqa: E731
    assert strip(wrong) == strip(right)
    clock.shift(889 * SECOND)
    assert_throttled(log_in(phone, name, PASSWORD), phone.dialect, 1)
    clock.shift(SECOND)
    assert log_in(phone, name, PASSWORD).status == 200


def test_while_locked_nobody_looks_at_the_password(new_phone, clock, monkeypatch):
    phone = stranger_to_somebody(new_phone)
    for _ in range(3):
        log_in(phone, phone.username, WRONG)
    monkeypatch.setattr("users.credentials.make_password", None)
    monkeypatch.setattr(User, "check_password", None)
    assert log_in(phone, phone.username, PASSWORD).status == 429


def test_an_unknown_name_is_locked_like_a_known_one(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    answers = [[log_in(phone, name, WRONG) for _ in range(4)] for name in (phone.username, "nobody")]
    for known, unknown in zip(*answers, strict=True):
        assert (known.status, known.headers.get("retry-after")) == (unknown.status, unknown.headers.get("retry-after"))
    assert answers[0][-1].status == 429


def test_a_login_that_works_forgives_the_failures_before_it(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    for _ in range(4):
        assert [log_in(phone, phone.username, WRONG).status for _ in range(2)] == [401] * 2
        assert log_in(phone, phone.username, PASSWORD).status == 200


def test_a_user_named_like_somebodys_email_does_not_clear_the_failures_of_that_email(db, clock):
    victim, email = ZapPhone(InProcess()).sign_up("victim"), "victim@example.org"
    User.objects.filter(pk=victim.user_id).update(email_verified=True)
    BuddyPhone(InProcess()).sign_up(email)
    answers = []
    for number in range(3):
        where = {"ip": f"192.0.2.{number}"}
        answers += [log_in(victim, email, WRONG, **where).status for _ in range(3)]
        assert log_in(BuddyPhone(InProcess()), email, PASSWORD, **where).status == 200
    assert answers == [401] * 5 + [429] * 4


def test_logins_that_work_never_add_up(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    assert {log_in(phone, phone.username, PASSWORD).status for _ in range(10)} == {200}


def test_however_a_name_is_spelt_it_is_the_same_one(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    for name in (phone.username, phone.username.upper(), phone.username.title()):
        assert log_in(phone, name, WRONG).status == 401
    assert log_in(phone, f" {phone.username} ", WRONG).status == 429
    # Spellings that the database treats as equal.
    assert identity_of("\u0131\u017f\u017f") == identity_of("ISS") == identity_of("iss")


def test_somebody_who_is_locked_out_at_one_address_gets_in_from_another(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    for _ in range(20):
        log_in(phone, phone.username, WRONG, ip="192.0.2.66")
    assert log_in(phone, phone.username, PASSWORD, ip="192.0.2.66").status == 429
    assert log_in(phone, phone.username, PASSWORD, ip="192.0.2.7").status == 200


def test_a_password_is_not_guessed_from_many_addresses(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    statuses = [log_in(phone, phone.username, WRONG, ip=f"192.0.2.{number}").status for number in range(6)]
    assert statuses == [401] * 5 + [429]
    assert_throttled(log_in(phone, phone.username, PASSWORD, ip="192.0.2.99"), phone.dialect, 3600)


def test_one_address_cannot_try_a_password_on_many_names(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_address": (6, 900)}
    phone = stranger_to_somebody(new_phone)
    statuses = [log_in(phone, f"name_{number}", WRONG, ip="192.0.2.66").status for number in range(7)]
    assert statuses == [401] * 6 + [429]
    # Attempts on the attacker's own account do not allow more guesses.
    mine = stranger_to_somebody(new_phone)
    clock.shift(timedelta(seconds=900))
    for number in range(6):
        assert log_in(phone, f"name_{number}", WRONG, ip="192.0.2.66").status == 401
        log_in(mine, mine.username, PASSWORD, ip="192.0.2.66")
    assert log_in(phone, "name_8", WRONG, ip="192.0.2.66").status == 429


def test_a_phone_that_tries_one_wrong_password_for_ever_locks_nobody_else_out(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_address": (6, 900)}
    stuck, phone = stranger_to_somebody(new_phone), stranger_to_somebody(new_phone)
    for _ in range(20):
        log_in(stuck, stuck.username, WRONG)
    assert log_in(phone, phone.username, PASSWORD).status == 200


def test_an_ipv6_network_is_one_address():
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of(None) == ""


@pytest.mark.only("zap")
def test_the_old_password_of_a_change_cannot_be_guessed(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (3, 900)}
    phone = new_phone().sign_up()
    body = {
        "userId": phone.user_id,
        "email": f"{phone.username}@example.org",
        "oldPassword": WRONG,
        "newPassword": "another-pass-1",
    }

    def change(**fields):
        return phone.call("POST", "/v1/changePassword", body | fields, token=phone.access_token)

    assert [change().json["code"] for _ in range(3)] == ["wrong_password"] * 3
    assert_throttled(change(oldPassword=PASSWORD), "zap", 900)
    clock.shift(900 * SECOND)
    phone.access_token = phone.refresh().json["data"]["token"]
    assert change(oldPassword=PASSWORD).status == 200


def test_reset_codes_are_mailed_so_often_and_no_more(new_phone, clock, mailoutbox):
    phone = stranger_to_somebody(new_phone)
    User.objects.update(email="ann@example.org")
    path, name = {"zap": ("/v1/otp/forgotPassword", "identity"), "buddy": ("/users/password", "userName")}[
        phone.dialect
    ]
    for identity in (phone.username, "nobody"):
        answers = [call(phone, "POST", path, {name: identity}) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert_throttled(answers[-1], phone.dialect, 3600)
    assert len(mailoutbox) == 2


def test_a_user_who_reset_the_password_can_log_in_at_once_after_many_failures(new_phone, clock, mailoutbox):
    phone = stranger_to_somebody(new_phone)
    User.objects.update(email="ann@example.org")
    for _ in range(4):
        log_in(phone, phone.username, WRONG)
    assert log_in(phone, phone.username, PASSWORD).status == 429
    name, code, ask, reset = {
        "zap": ("identity", "otp", ("POST", "/v1/otp/forgotPassword"), ("POST", "/v1/forgotPassword")),
        "buddy": ("userName", "resetCode", ("POST", "/users/password"), ("PATCH", "/users/password")),
    }[phone.dialect]
    call(phone, *ask, {name: phone.username})
    mailed = reset_code_in(mailoutbox[0])
    assert call(phone, *reset, {name: phone.username, code: mailed, "newPassword": "another-pass-1"}).status == 200
    assert log_in(phone, phone.username, "another-pass-1").status == 200


def test_reset_codes_are_not_guessed_by_asking_for_new_ones(new_phone, clock, settings):
    phone = stranger_to_somebody(new_phone)
    User.objects.update(email="ann@example.org")
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_address": (100, 3600)}
    body = {"identity": phone.username, "otp": "0000 0000 000a", "newPassword": "another-pass-1"}
    path, method, refused = "/v1/forgotPassword", "POST", 422
    if phone.dialect == "buddy":
        body = {"userName": phone.username, "resetCode": "0000 0000 000a", "newPassword": "another-pass-1"}
        path, method, refused = "/users/password", "PATCH", 401
    assert [call(phone, method, path, body).status for _ in range(5)] == [refused] * 4 + [429]
    assert_throttled(phone.last, phone.dialect, 3600)


@pytest.mark.only("buddy")
def test_devices_are_registered_so_often_from_one_address_with_a_right_key_or_a_wrong_one(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"device": (3, 3600)}
    phone = new_phone()

    def register(key):
        body = {"appId": phone.app_id, "appKey": key, "platform": "Android"}
        headers = {"X-Forwarded-For": "192.0.2.1", "Content-Type": "application/json"}
        return phone.send("POST", "/devices", headers=headers, content=json.dumps(body))

    assert [register(key).status for key in ("wrong", phone.app_key, "wrong")] == [401, 201, 401]
    assert_throttled(register(phone.app_key), "buddy", 3600)


@pytest.mark.only("zap")
def test_the_admins_login_is_counted_too_and_words_it_as_ever(new_phone, clock, client):
    User.objects.create_superuser("boss", PASSWORD)
    form = {"username": "boss", "next": "/admin/"}
    first = client.post("/admin/login/", form | {"password": WRONG})
    for _ in range(3):
        client.post("/admin/login/", form | {"password": WRONG})
    locked = client.post("/admin/login/", form | {"password": PASSWORD})
    assert locked.status_code == 200
    error = "Please enter the correct username and password"
    assert error in first.content.decode()
    assert error in locked.content.decode()
    clock.shift(900 * SECOND)
    assert client.post("/admin/login/", form | {"password": PASSWORD}).status_code == 302


def test_throttling_can_be_turned_off_for_load_tests_and_a_check_warns_of_it(new_phone, settings, clock):
    settings.THROTTLING = False
    phone = stranger_to_somebody(new_phone)
    assert {log_in(phone, phone.username, WRONG).status for _ in range(10)} == {401}
    assert not Throttle.objects.exists()
    said = StringIO()
    call_command("check", stderr=said)
    assert "user_sessions.W001" in said.getvalue()


def test_the_stored_attempts_name_nobody_and_are_deleted(new_phone, clock):
    phone = stranger_to_somebody(new_phone)
    log_in(phone, new_name(), WRONG)
    keys = " ".join(Throttle.objects.values_list("key", flat=True))
    assert "192.0.2" not in keys
    assert len(keys.split()) >= 3
    clock.shift(timedelta(hours=2))
    forget_past()
    assert not Throttle.objects.exists()


@pytest.mark.parametrize("step", [count_attempt, lambda *allowances: take_back(keys_of(clear=allowances))])
@pytest.mark.django_db(transaction=True)
def test_to_count_an_attempt_and_to_take_it_back_lock_the_counts_in_one_order(step):
    shared = Allowance("login_address", "192.0.2.1")
    names = (Allowance("login", f"name {number}") for number in range(100))
    own = next(each for each in names if each.key > shared.key)  # by the keys alone it would come after the other one
    count_attempt(own, shared)
    with other_threads() as start:
        with transaction.atomic():
            Throttle.objects.select_for_update().get(key=own.key)
            waiting = start(step, own, shared)
            wait_until(is_waited_for)
            Throttle.objects.select_for_update(nowait=True).get(key=shared.key)
        waiting.result(20)


def sign_up(phone, password=PASSWORD, **where):
    body = {"username": new_name(), "email": f"{new_name()}@example.org", "password": password}
    return call(phone, "POST", "/v1/users" if phone.dialect == "zap" else "/users", body, **where)


def test_users_are_registered_so_often_from_one_address_and_no_more(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"register": (3, 3600)}
    phone = new_phone()
    assert {sign_up(phone).status for _ in range(3)} <= {200, 201}
    refused = work_of(lambda: sign_up(phone))
    assert_throttled(phone.last, phone.dialect, 3600)
    assert refused.hashes == 0
    assert sign_up(phone, ip="192.0.2.2").status in (200, 201)
    clock.shift(timedelta(hours=1))
    assert sign_up(phone).status in (200, 201)


def test_a_registration_that_fails_counts(new_phone, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"register": (2, 3600)}
    phone = new_phone()
    body = {"username": "ann_lee", "email": "ann@example.org", "password": PASSWORD}
    path = "/v1/users" if phone.dialect == "zap" else "/users"
    statuses = [call(phone, "POST", path, body).status for _ in range(3)]
    assert statuses == {"zap": [201, 422, 429], "buddy": [200, 400, 429]}[phone.dialect]


@pytest.mark.only("zap")
def test_staff_register_as_many_users_as_they_like(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"register": (1, 3600)}
    staff = promote(new_phone().sign_up(), "users.add_user")
    for _ in range(3):
        body = {"username": new_name(), "email": f"{new_name()}@example.org", "password": PASSWORD}
        assert staff.ask("POST", "/v1/users", body).status == 201
