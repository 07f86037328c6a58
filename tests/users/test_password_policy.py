"""Which new passwords are accepted. The rules are the same for every way to set one."""

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.bad_input import buddy_success, zap_success
from tests.phones import PASSWORD, new_name, reset_code_in, work_of
from tests.sessions.staff import log_in
from users.models import Throttle, User

GOOD = "another-pass-2"
TOO_SHORT, COMMON, LIKE_THE_NAME = "seven-7", "p@ssw0rd", "ann.lee.77"


def refused(reply, field):
    """Return whether the answer is the dialect's refusal of the password in ``field``."""
    if "request_id" not in reply.json:
        return (reply.status, reply.json["code"], list(reply.json["errors"])) == (400, "invalid_request", [field])
    assert reply.json["message"].startswith(f"{field}: ")
    return (reply.status, reply.json["error"], reply.json["errorNumber"]) == (400, "ParameterOutOfRange", 0x202)


def sign_up(phone, username, password, **fields):
    body = {"username": username, "email": f"{new_name()}@example.org", "password": password} | fields
    if phone.dialect == "zap":
        return phone.call("POST", "/v1/users", body)
    phone._ready()
    return phone.call("POST", "/users", body, token=phone.app_token)


@pytest.mark.parametrize("password", [TOO_SHORT, COMMON, "annlee77-", "-ANNLEE77"])
def test_a_poor_password_registers_nobody_and_costs_no_attempt_and_no_hash(new_phone, password):
    phone = new_phone()
    phone.dialect == "buddy" and phone._ready()
    Throttle.objects.all().delete()
    assert work_of(lambda: sign_up(phone, "annlee77", password)).hashes == 0
    assert refused(phone.last, "password")
    assert not User.objects.exists()
    assert not Throttle.objects.exists()


@pytest.mark.parametrize(
    ("zaps", "buddys"),
    [
        ({"name": "Wilhelmina"}, {"firstName": "Wilhelmina"}),
        ({"name": "Wilhelmina"}, {"lastName": "Wilhelmina"}),
        ({"email": "wilhelmina@example.org"},) * 2,
    ],
)
def test_a_password_like_the_persons_name_or_address_is_refused(new_phone, zaps, buddys):
    phone = new_phone()
    fields = zaps if phone.dialect == "zap" else buddys
    assert refused(sign_up(phone, new_name(), "Wilhelmina-1", **fields), "password")


def test_the_least_length_is_a_setting(new_phone, settings):
    phone, name = new_phone(), new_name()
    first, *others = settings.AUTH_PASSWORD_VALIDATORS
    settings.AUTH_PASSWORD_VALIDATORS = [first | {"OPTIONS": {"min_length": 15}}, *others]
    assert refused(sign_up(phone, name, "horse-battery1"), "password")
    assert sign_up(phone, name, "horse-battery12").status in (200, 201)


@pytest.mark.parametrize(
    ("password", "is_taken"),
    [
        ("Zapauth-1", False),
        ("zapAUTH!2026", False),
        ("-ROADrunner-22", False),
        ("acme+road-1!", False),
        ("Acme Road!1234", False),
        ("roadrunners like Acme-1", True),
        ("zap-my-auth-1", True),
    ],
)
def test_words_of_the_service_do_not_count_towards_the_length(new_phone, settings, password, is_taken):
    settings.SERVICE_NAME, settings.PASSWORD_WORDS = "Acme Road", ["Roadrunner", "a"]
    reply = sign_up(new_phone(), new_name(), password)
    assert reply.status in (200, 201) if is_taken else refused(reply, "password")


def logs_in(phone, username, password):
    if phone.dialect == "zap":
        return phone.call("POST", "/v1/login", {"identity": username, "password": password}).status == 200
    phone._ready()
    body = {"username": username, "password": password}
    return phone.call("POST", "/users/login", body, token=phone.app_token).status == 200


def test_a_password_counts_exactly_as_it_was_typed(new_phone):
    name, password = new_name(), f" Größe {'x' * 115} -1 \t"
    assert len(password) == 127
    assert sign_up(new_phone(), name, password).status in (200, 201)
    for other in (password[:-1], password[1:], password.lower(), password.replace("ö", "o"), password[:-2] + "  "):
        assert not logs_in(new_phone(), name, other)
    assert logs_in(new_phone(), name, password)


def test_a_password_does_not_expire(new_phone):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        name = new_phone().sign_up().username
        clock.move_to("2036-03-01T12:00:00Z")
        assert logs_in(new_phone(), name, PASSWORD)


def test_a_password_from_before_is_good_for_a_login(new_phone):
    User.objects.create(username="ann", email="ann@example.org", password=make_password("pw"))
    phone = new_phone()
    if phone.dialect == "zap":
        zap_success(phone.call("POST", "/v1/login", {"identity": "ann", "password": "pw"}))
    else:
        phone._ready()
        buddy_success(phone.call("POST", "/users/login", {"username": "ann", "password": "pw"}, token=phone.app_token))


@pytest.mark.only("zap")
@pytest.mark.parametrize("password", [TOO_SHORT, COMMON, "ann_lee-77"])
def test_a_change_to_a_poor_password_changes_nothing(new_phone, password):
    phone = new_phone().sign_up("ann_lee")
    body = {"userId": phone.user_id, "email": "ann_lee@example.org", "oldPassword": "wrong", "newPassword": password}
    before = Throttle.objects.count()
    assert refused(phone.ask("POST", "/v1/changePassword", body), "newPassword")
    assert refused(phone.ask("POST", "/v1/changePassword", body | {"oldPassword": PASSWORD}), "newPassword")
    assert Throttle.objects.count() == before
    assert phone.log_in("ann_lee").status == 200


class Forgotten:
    """A phone of either dialect. Its user, Ann, has received a code by mail."""

    def __init__(self, phone, mailoutbox):
        self.phone, self.is_zap = phone.sign_up("ann_lee_77"), phone.dialect == "zap"
        User.objects.update(email="ann@example.org")
        self.call("POST", "/v1/otp/forgotPassword", "/users/password")
        self.code = reset_code_in(mailoutbox[-1])

    def call(self, method, zap, buddy, *, name="ann_lee_77", **fields):
        if self.is_zap:
            return self.phone.call("POST", zap, {"identity": name} | fields)
        body = {"userName": name} | fields
        return self.phone.call(method, buddy, body, token=self.phone.app_token)

    def reset(self, password, *, code=None, name="ann_lee_77"):
        fields = {"otp" if self.is_zap else "resetCode": code or self.code, "newPassword": password}
        return self.call("PATCH", "/v1/forgotPassword", "/users/password", name=name, **fields)


@pytest.mark.parametrize("password", [TOO_SHORT, COMMON, "ann_lee_77-"])
def test_a_reset_to_a_poor_password_changes_nothing_and_leaves_the_code_good(new_phone, mailoutbox, settings, password):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {
        "reset_try": (1, 3600),
        "reset_address": (2, 3600),
        "reset_try_known": (1, 3600),
    }

    ann = Forgotten(new_phone(), mailoutbox)
    for _ in range(5):
        assert refused(ann.reset(password), "newPassword")
    assert ann.phone.me().status == 200
    assert ann.reset(GOOD).status == 200
    assert ann.phone.me().status == 401


def test_without_the_code_a_reset_does_not_tell_that_the_password_is_like_the_name(new_phone, mailoutbox):
    ann = Forgotten(new_phone(), mailoutbox)
    answers = [ann.reset("ann_lee_77-", code="0000 0000 000a", name=name) for name in ("ann_lee_77", "nobody")]
    assert {answer.status for answer in answers} == {422 if ann.is_zap else 401}
    assert len({answer.json["message"] for answer in answers}) == 1


def test_staff_cannot_give_themselves_a_poor_password_in_the_admin(db, client):
    boss = User.objects.create_superuser("boss", PASSWORD)
    log_in(client, boss)
    own = {"old_password": PASSWORD, "new_password1": COMMON, "new_password2": COMMON}
    assert "too common" in client.post("/admin/password_change/", own).content.decode()
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)


def test_the_command_takes_no_poor_password(db, monkeypatch, capsys):
    ann = User.objects.create_user("annlee77", PASSWORD)
    monkeypatch.setattr("getpass.getpass", lambda **_: "annlee77")
    with pytest.raises(CommandError):
        call_command("changepassword", "annlee77")
    assert "too similar to the username" in capsys.readouterr().err
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)
