"""Known places: attempts by strangers don't lock out the user's own devices and networks."""

import logging
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client

from sessions.models import Session
from sessions.places import Place
from tests.bad_input import buddy_error, buddy_success, zap_fields, zap_success
from tests.from_address import call
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, new_name, reset_code_in, work_of
from users.callers import Caller
from users.models import RefusedLogin, Throttle, User
from users.refused_logins import LOGINS, count_refused, find_wait

HOME, AWAY, ELSEWHERE = "192.0.2.1", "198.51.100.1", "203.0.113.1"
WRONG = "wrong-pass-1"
DAY = timedelta(days=1)
NEW = "another-pass-2"


@pytest.fixture(autouse=True)
def _few(settings):
    settings.TRUSTED_PROXIES = 1  # so that a test can call from any address
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {
        "login": (10, 900),
        "login_known": (4, 900),
        "login_anywhere": (100, 3600),
        "login_address": (300, 900),
        "reset": (2, 3600),
        "reset_known": (3, 3600),
        "reset_try": (4, 3600),
        "reset_try_known": (5, 3600),
    }


def log_in(phone, name, password=PASSWORD, *, ip):
    if phone.dialect == "zap":
        token = {"deviceToken": phone.device_token} if phone.device_token else {}
        return call(phone, "POST", "/v1/login", {"identity": name, "password": password} | token, ip=ip)
    return call(phone, "POST", "/users/login", {"username": name, "password": password}, ip=ip)


def ask(phone, name, *, ip):
    path, field = ("/v1/otp/forgotPassword", "identity") if phone.dialect == "zap" else ("/users/password", "userName")
    return call(phone, "POST", path, {field: name}, ip=ip)


def reset(phone, name, code, *, ip):
    if phone.dialect == "zap":
        body = {"identity": name, "otp": code, "newPassword": NEW}
        return call(phone, "POST", "/v1/forgotPassword", body, ip=ip)
    body = {"userName": name, "resetCode": code, "newPassword": NEW}
    return call(phone, "PATCH", "/users/password", body, ip=ip)


@pytest.fixture
def victim(new_phone):
    """A phone at home, whose user has logged in there."""
    phone = new_phone(device_token="the-victims-phone").sign_up()
    User.objects.update(email="victim@example.org")
    assert log_in(phone, phone.username, ip=HOME).status == 200
    return phone


def attack(new_phone, name, *, addresses=10, tries=10):
    """Send wrong passwords from many addresses, as attackers do."""
    stranger = new_phone()
    return [
        log_in(stranger, name, WRONG, ip=f"203.0.113.{address}").status
        for address in range(1, addresses + 1)
        for _ in range(tries)
    ]


# --- log-in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", [HOME, AWAY], ids=["at home", "on the way"])
def test_a_hundred_wrong_passwords_of_strangers_do_not_lock_the_users_own_phone_out(new_phone, victim, ip):
    assert attack(new_phone, victim.username) == [401] * 100
    assert log_in(new_phone(), victim.username, WRONG, ip=ELSEWHERE).status == 429
    assert log_in(victim, victim.username, ip=ip).status == 200


def test_another_device_at_home_gets_in_as_well(new_phone, victim):
    attack(new_phone, victim.username)
    assert log_in(new_phone(), victim.username, ip=HOME).status == 200


def test_a_new_device_at_a_new_place_waits_with_the_strangers(new_phone, victim):
    attack(new_phone, victim.username)
    assert log_in(new_phone(), victim.username, ip=AWAY).status == 429


def test_a_known_place_has_an_allowance_of_its_own_and_a_login_that_works_starts_it_anew(clock, new_phone, victim):
    for _ in range(2):
        assert [log_in(victim, victim.username, WRONG, ip=HOME).status for _ in range(3)] == [401] * 3
        assert log_in(victim, victim.username, ip=HOME).status == 200
    answers = [log_in(victim, victim.username, WRONG, ip=HOME).status for _ in range(5)]
    assert answers == [401] * 4 + [429]
    assert log_in(victim, victim.username, ip=HOME).headers["retry-after"] == "900"
    # This device has used up its attempts. The user's other devices at that address have not.
    assert log_in(new_phone(), victim.username, ip=HOME).status == 200


def test_failures_at_a_known_place_do_not_count_against_strangers_allowances(new_phone, victim, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_anywhere": (2, 3600), "login": (2, 900)}
    assert [log_in(victim, victim.username, WRONG, ip=HOME).status for _ in range(4)] == [401] * 4
    assert log_in(new_phone(), victim.username, ip=AWAY).status == 200


def test_a_login_at_a_known_place_does_not_start_the_strangers_allowance_anew(new_phone, victim):
    attack(new_phone, victim.username)
    assert log_in(victim, victim.username, ip=HOME).status == 200
    assert log_in(new_phone(), victim.username, WRONG, ip=ELSEWHERE).status == 429


def test_a_known_place_of_one_user_is_not_known_to_another(new_phone, victim):
    other = new_phone().sign_up()
    attack(new_phone, other.username)
    assert log_in(victim, other.username, ip=HOME).status == 429


def test_an_ipv6_network_is_one_place(new_phone):
    phone = new_phone().sign_up()
    assert log_in(new_phone(), phone.username, ip="2001:db8::1").status == 200
    attack(new_phone, phone.username)
    assert log_in(new_phone(), phone.username, ip="2001:db8:0:1::1").status == 429
    assert log_in(new_phone(), phone.username, ip="2001:db8::ffff").status == 200


def test_a_place_is_known_for_thirty_days(clock, new_phone):
    phone = new_phone(device_token="phone").sign_up()
    assert log_in(phone, phone.username, ip=HOME).status == 200
    clock.shift(30 * DAY - timedelta(hours=1))
    attack(new_phone, phone.username)
    assert log_in(new_phone(), phone.username, WRONG, ip=HOME).status == 401
    assert log_in(phone, phone.username, WRONG, ip=AWAY).status == 401
    clock.shift(timedelta(hours=1))
    attack(new_phone, phone.username)
    assert log_in(new_phone(), phone.username, WRONG, ip=HOME).status == 429
    assert log_in(phone, phone.username, WRONG, ip=AWAY).status == 429


def test_a_place_stays_known_after_a_logout(new_phone, victim):
    Session.objects.filter(user=victim.user_id).update(ended_at="2026-03-01T12:00:00Z", end_reason="logout")
    attack(new_phone, victim.username)
    assert log_in(victim, victim.username, ip=AWAY).status == 200


@pytest.mark.only("buddy")
def test_registering_the_victims_unique_id_makes_no_device_known(new_phone, victim):
    thief = BuddyPhone(InProcess(), app_id=victim.app_id, app_key=victim.app_key, unique_id=victim.unique_id)
    attack(new_phone, victim.username)
    assert log_in(thief, victim.username, ip=AWAY).status == 429
    assert log_in(victim, victim.username, ip=AWAY).status == 200


@pytest.mark.only("buddy")
def test_the_token_that_a_logout_answers_is_of_the_known_device(new_phone, victim):
    victim.access_token = victim.last.json["result"]["accessToken"]
    victim.app_token = buddy_success(victim.log_out())["accessToken"]
    attack(new_phone, victim.username)
    assert log_in(victim, victim.username, ip=AWAY).status == 200


@pytest.mark.only("zap")
def test_a_device_token_that_is_somebody_elses_makes_no_device_known(new_phone, victim):
    other = new_phone(device_token="another-phone").sign_up()
    attack(new_phone, victim.username)
    assert log_in(other, victim.username, ip=AWAY).status == 429


@pytest.mark.only("zap")
def test_staff_are_not_locked_out_of_the_admin_at_a_place_that_they_know(new_phone):
    phone = new_phone().sign_up("boss")
    log_in(phone, "boss", ip=HOME)
    User.objects.update(is_staff=True)
    attack(new_phone, "boss")

    def at_admin(ip):
        form = {"username": "boss", "password": PASSWORD, "next": "/admin/"}
        return Client(headers={"X-Forwarded-For": ip}).post("/admin/login/", form).status_code

    assert (at_admin(AWAY), at_admin(HOME)) == (200, 302)


@pytest.mark.parametrize("ip", [HOME, AWAY], ids=["at home", "elsewhere"])
def test_a_login_costs_the_same_for_known_and_unknown_identities(new_phone, victim, ip):
    for phone in (new_phone(), new_phone(device_token="x")):
        phone.dialect == "buddy" and phone._ready()
        works = [work_of(lambda n=n, p=phone: log_in(p, n, WRONG, ip=ip)) for n in (victim.username, "nobody")]
        assert works[0] == works[1]


def test_a_known_place_is_answered_in_the_same_words(new_phone, victim):
    stranger = new_phone()

    def words(answer):
        return answer.status, {name: value for name, value in answer.json.items() if name != "request_id"}

    known, unknown = log_in(victim, victim.username, WRONG, ip=HOME), log_in(stranger, "nobody", WRONG, ip=HOME)
    assert words(known) == words(unknown) == words(log_in(stranger, victim.username, WRONG, ip=AWAY))


@pytest.mark.only("zap")
def test_the_statement_that_looks_for_the_place_uses_an_index(victim):
    user = User.objects.get(pk=victim.user_id)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert Place(ip=HOME).known_place(user).is_network
    assert Place(ip=AWAY).known_place(user) is None
    assert Place(ip=None).known_place(user) is None
    assert Place(ip=HOME).known_place(None) is None


IDENTITIES = ("ann", "ANN", "ann@example.org", "Ann@Example.org", "+4915112345678", "ben@example.org", "+1", "gone", "")


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.django_db
def test_the_statement_of_a_login_finds_the_same_user_as_the_orm(identity):
    ann = User.objects.create_user("ann", email="ann@example.org", email_verified=True, phone_number="+4915112345678")
    User.objects.create_user("ANN@example.org")  # the name is another user's verified email
    User.objects.create_user("ben@example.org")
    User.objects.create_user("ben", email="ben@example.org")
    User.objects.create_user("gone", deleted_at=ann.created_at)
    by_orm, by_statement = Caller(), Place(ip=HOME)
    assert by_statement.find_by_identity(identity).user == by_orm.find_by_identity(identity).user
    assert by_statement.find_by_username(identity).user == by_orm.find_by_username(identity).user
    if found := by_statement.find_by_identity(identity).user:
        stored = User.objects.get(pk=found.pk)
        assert {name: getattr(found, name) for name in vars(stored)} | {"_state": None} == vars(stored) | {
            "_state": None
        }


# --- reset codes ---------------------------------------------------------------------------------


def test_reset_requests_of_strangers_do_not_keep_the_user_from_asking(new_phone, victim, mailoutbox):
    stranger = new_phone()
    assert [ask(stranger, victim.username, ip=ELSEWHERE).status for _ in range(3)] == [200, 200, 429]
    assert [ask(victim, victim.username, ip=HOME).status for _ in range(4)] == [200, 200, 200, 429]
    assert len(mailoutbox) == 5


def test_wrong_codes_of_strangers_do_not_keep_the_user_from_using_theirs(new_phone, victim, mailoutbox):
    stranger = new_phone()
    ask(victim, victim.username, ip=HOME)
    code = reset_code_in(mailoutbox[-1])
    refused = 422 if victim.dialect == "zap" else 401
    statuses = [reset(stranger, victim.username, "0000 0000 000a", ip=ELSEWHERE).status for _ in range(5)]
    assert statuses == [refused] * 4 + [429]
    assert reset(new_phone(), victim.username, code, ip=AWAY).status == 429
    assert reset(victim, victim.username, code, ip=HOME).status == 200


def test_wrong_codes_at_a_known_place_are_counted_there(new_phone, victim):
    refused = 422 if victim.dialect == "zap" else 401
    statuses = [reset(victim, victim.username, "0000 0000 000a", ip=HOME).status for _ in range(6)]
    assert statuses == [refused] * 5 + [429]


@pytest.mark.parametrize("ip", [HOME, AWAY], ids=["at home", "elsewhere"])
@pytest.mark.parametrize("step", [ask, lambda phone, name, ip: reset(phone, name, "0000 0000 000a", ip=ip)])
def test_a_reset_costs_the_same_for_known_and_unknown_identities(new_phone, victim, ip, step):
    phone = new_phone()
    phone.dialect == "buddy" and phone._ready()
    works = [work_of(lambda name=name: step(phone, name, ip=ip)) for name in (victim.username, "nobody")]
    assert works[0] == works[1]


def test_who_reset_the_password_may_log_in_from_there_at_once(new_phone, victim, mailoutbox):
    for _ in range(5):
        log_in(victim, victim.username, WRONG, ip=HOME)
    assert log_in(victim, victim.username, ip=HOME).status == 429
    ask(victim, victim.username, ip=HOME)
    assert reset(victim, victim.username, reset_code_in(mailoutbox[-1]), ip=HOME).status == 200
    assert log_in(victim, victim.username, NEW, ip=HOME).status == 200


# --- the budget over all identities ---------------------------------------------------------------


def alarms(caplog):
    return [record for record in caplog.records if record.name == "zapauth.alarm"]


def test_over_the_budget_strangers_wait_for_the_next_hour_and_known_places_go_on(
    clock, new_phone, victim, settings, caplog
):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_everybody": (5, 3600)}
    owner, stranger = new_phone().sign_up(), new_phone()
    clock.shift(timedelta(minutes=20))
    names = [new_name() for _ in range(4)] + [victim.username, owner.username]
    assert [log_in(stranger, name, WRONG, ip=ELSEWHERE).status for name in names] == [401] * 6
    (alarm,) = alarms(caplog)
    assert alarm.levelno == logging.ERROR
    assert "12:00 UTC" in alarm.getMessage()
    assert "5" in alarm.getMessage()
    for name, password in ((owner.username, PASSWORD), ("nobody", WRONG)):
        refused = log_in(stranger, name, password, ip=AWAY)
        assert (refused.status, refused.headers["retry-after"]) == (429, "2400")
    assert log_in(victim, victim.username, ip=HOME).status == 200
    assert len(alarms(caplog)) == 1
    clock.shift(timedelta(minutes=40))
    assert log_in(stranger, owner.username, ip=AWAY).status == 200
    for _ in range(6):
        log_in(stranger, new_name(), WRONG, ip=ELSEWHERE)
    assert len(alarms(caplog)) == 2


def test_users_who_mistype_at_places_that_they_know_raise_no_alarm(victim, settings, caplog):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_everybody": (2, 3600)}
    assert [log_in(victim, victim.username, WRONG, ip=HOME).status for _ in range(4)] == [401] * 4
    assert alarms(caplog) == []
    assert dict(RefusedLogin.objects.values_list("reason", "count")) == {"known_place": 4}


def test_wrong_reset_codes_have_a_budget_of_their_own(clock, new_phone, victim, settings, caplog, mailoutbox):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_try_everybody": (3, 3600)}
    stranger = new_phone()
    refused = 422 if victim.dialect == "zap" else 401
    statuses = [reset(stranger, new_name(), "0000 0000 000a", ip=ELSEWHERE).status for _ in range(5)]
    assert statuses == [refused] * 4 + [429]
    assert stranger.last.headers["retry-after"] == "3600"
    assert len(alarms(caplog)) == 1
    assert RefusedLogin.objects.get(reason="wrong_code").count == 4
    ask(victim, victim.username, ip=HOME)
    assert reset(victim, victim.username, reset_code_in(mailoutbox[-1]), ip=HOME).status == 200
    assert log_in(stranger, "nobody", WRONG, ip=ELSEWHERE).status == 401


def test_of_many_that_exceed_the_budget_at_once_one_raises_the_alarm(transactional_db, settings, caplog):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_everybody": (20, 3600)}
    reasons = [RefusedLogin.Reason.UNKNOWN_USER, RefusedLogin.Reason.WRONG_PASSWORD] * 8
    barrier = Barrier(len(reasons))

    def fail(reason):
        barrier.wait()
        for _ in range(4):
            count_refused(reason)
        connection.close()

    threads = [Thread(target=fail, args=[reason]) for reason in reasons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(alarms(caplog)) == 1
    assert find_wait(LOGINS) is not None
    assert Throttle.objects.count() == 1


def test_reading_the_budget_does_not_wait_for_who_counts(transactional_db):
    count_refused(RefusedLogin.Reason.WRONG_PASSWORD)
    waited = []

    def read():
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '2s'")
        waited.append(find_wait(LOGINS))
        connection.close()

    from django.db import transaction

    with transaction.atomic():
        count_refused(RefusedLogin.Reason.WRONG_PASSWORD)  # holds the row
        thread = Thread(target=read)
        thread.start()
        thread.join()
    assert waited == [None]


def test_both_dialects_share_what_is_known(db, settings):
    zap, buddy = ZapPhone(InProcess()), BuddyPhone(InProcess())
    zap.sign_up("ann_lee")
    assert zap_success(log_in(zap, "ann_lee", ip=HOME))
    attack(lambda: BuddyPhone(InProcess()), "ann_lee")
    assert buddy_success(log_in(buddy, "ann_lee", ip=HOME))
    assert buddy_error(log_in(BuddyPhone(InProcess()), "ann_lee", ip=AWAY)) == (429, "AuthFailed")
    assert zap_fields(log_in(ZapPhone(InProcess()), "ann_lee", ip=AWAY))[0] == 429
