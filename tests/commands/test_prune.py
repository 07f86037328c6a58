"""`manage.py prune`: what it deletes and what it keeps."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from time_machine import travel

from sessions.management.demo_data import make_sessions, make_users
from sessions.models import Session
from sessions.upkeep import retention
from tests.commands.records import everything
from tests.commands.terminal import manage
from tests.phones import BuddyPhone, InProcess, ZapPhone
from users.models import CrashReport, OneTimeCode, OneUseLink, SecurityEvent, Throttle, User
from users.one_use_links import make_link
from users.reset_codes import issue_code

DAY = timedelta(days=1)
NOTHING = {
    "dryRun": False,
    "blacklistedTokens": 0,
    "refreshTokens": 0,
    "endedSessions": 0,
    "securityEvents": 0,
    "crashReports": 0,
    "resetCodes": 0,
    "mailedLinks": 0,
    "throttles": 0,
}


def pruned(arguments=""):
    """Return the kinds of rows that were deleted, and their numbers."""
    (facts,) = manage(f"prune --json {arguments}").json
    return {kind: count for kind, count in facts.items() if count and kind != "dryRun"}


def test_an_ended_session_goes_when_its_retention_is_over_and_a_live_one_never(ann):
    tablet = ZapPhone(InProcess())
    tablet.log_in("ann")
    now = timezone.now()
    ann.log_out()
    with travel(now + 10 * DAY):
        assert "endedSessions" not in pruned()
        assert tablet.refresh().status == 200
    with travel(now + 89 * DAY):
        pruned()
        assert Session.objects.filter(ended_at__isnull=False).count() == 1
    with travel(now + 91 * DAY):
        assert pruned()["endedSessions"] == 1
    assert Session.objects.get().ended_at is None


def test_the_retention_is_a_setting_and_keep_goes_over_it(ann, settings):
    ann.log_out()
    with travel(timezone.now() + 40 * DAY):
        assert pruned("--dry-run").get("endedSessions") is None
        settings.SESSION_RETENTION = 39 * DAY
        assert pruned("--dry-run")["endedSessions"] == 1
        assert pruned("--dry-run --keep 41d").get("endedSessions") is None
        assert pruned("--dry-run --keep 5w")["endedSessions"] == 1


def test_a_crash_report_goes_after_30_days_or_as_the_setting_says(db, settings):
    phone = BuddyPhone(InProcess()).sign_up()
    phone.ask("POST", "/devices/current/crashreports", {"stackTrace": "x"})
    reported = CrashReport.objects.get().created_at
    with travel(reported + 30 * DAY - timedelta(seconds=1), tick=False):
        assert "crashReports" not in pruned("--dry-run")
        settings.CRASH_REPORT_RETENTION = 10 * DAY
        assert pruned("--dry-run")["crashReports"] == 1
    settings.CRASH_REPORT_RETENTION = 30 * DAY
    with travel(reported + 30 * DAY + timedelta(seconds=1), tick=False):
        assert pruned()["crashReports"] == 1
    assert not CrashReport.objects.exists()


@pytest.mark.parametrize("keep", ["0d", "23h", "-1d", "90", "", "forever", "99999w"])
def test_a_retention_of_nothing_is_refused_and_deletes_nothing(ann, keep):
    ann.log_out()
    before = everything()
    with travel(timezone.now() + 400 * DAY):
        done = manage(f"prune --keep={keep}")
    assert (done.code, done.out) == (2, "")
    assert f"{keep!r} is" in done.err.splitlines()[-1]
    assert everything() == before


def test_the_refresh_token_of_a_live_session_still_works_after_a_prune(ann):
    now, expires = timezone.now(), Session.objects.get().expires_at
    for moment in (now, now + 10 * DAY, now + 20 * DAY, expires - timedelta(seconds=2)):
        with travel(moment, tick=False):
            pruned()
            assert ann.refresh().status == 200


def test_a_revoked_token_is_listed_as_long_as_any_clock_could_take_it(ann):
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())  # a logout did not end it
    assert ann.refresh().status == 401
    expires = Session.objects.get().expires_at
    # The machine that prunes has a clock that is an hour ahead.
    with travel(expires + timedelta(hours=1)):
        pruned()
    with travel(expires - timedelta(seconds=2), tick=False):
        Session.objects.update(last_seen_at=timezone.now())
        assert ann.refresh().status == 401
    with travel(expires + timedelta(days=1, seconds=1)):
        gone = pruned()
        assert (gone["blacklistedTokens"], gone["refreshTokens"]) == (1, 1)
        assert ann.refresh().status == 401


def test_a_rotated_token_that_comes_back_after_a_prune_still_ends_its_session(ann, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    stolen = ann.refresh_token
    ann.refresh_token = ann.refresh().json["data"]["refreshToken"]
    with travel(timezone.now() + 2 * DAY):
        pruned()
        thief = ZapPhone(InProcess())
        thief.refresh_token = stolen
        assert thief.refresh().status == 401
        assert ann.refresh().status == 401


def test_a_phones_registration_stays_as_long_as_a_login_that_it_opened(db):
    phone = BuddyPhone(InProcess()).sign_up("ben")
    long_ago = timezone.now() - 100 * DAY
    of = Session.objects.filter
    of(user=None).update(ended_at=long_ago, end_reason="logout")
    assert pruned() == {}
    of(user=phone.user_id).update(ended_at=long_ago, end_reason="logout")
    assert pruned("--dry-run") == pruned() == {"endedSessions": 2}
    assert not Session.objects.exists()


def test_codes_and_throttles_go_a_day_after_they_expired(ann):
    issue_code(User.objects.get())
    make_link(User.objects.get(), purpose=OneUseLink.Purpose.NOT_ME, address="ann@example.org")
    Throttle.objects.create(key="k", count=1, resets_at=timezone.now() + timedelta(minutes=15))
    Throttle.objects.exclude(key="k").delete()
    with travel(timezone.now() + timedelta(hours=24)):
        assert pruned() == {}
    with travel(timezone.now() + timedelta(hours=25)):
        assert pruned() == {"resetCodes": 1, "throttles": 1}
    with travel(timezone.now() + timedelta(days=7, hours=25)):
        assert pruned() == {"mailedLinks": 1}
    assert not OneTimeCode.objects.exists()


@pytest.fixture
def past(db):
    """Demo sessions that ended long ago, and their tokens. The live ones have expired long ago, too."""
    for batch in (make_users(20), make_sessions(60, users=20), make_sessions(300, users=20, ended=True)):
        list(batch)
    tokens = OutstandingToken.objects.filter(
        jti__in=Session.objects.filter(ended_at__isnull=False).values("refresh_jti")
    )
    BlacklistedToken.objects.bulk_create(BlacklistedToken(token=token) for token in tokens)
    return 130 * DAY


def test_a_dry_run_counts_what_the_run_deletes_and_deletes_nothing(past):
    with travel(timezone.now() + past):
        before = everything()
        foreseen = pruned("--dry-run")
        assert everything() == before
        assert foreseen["endedSessions"] == 300
        assert foreseen["blacklistedTokens"] < foreseen["refreshTokens"]
        assert pruned() == foreseen
        assert manage("prune --json").json == [NOTHING]
    assert Session.objects.filter(ended_at=None).count() == 60


def test_people_read_what_was_deleted(past, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 100)
    with travel(timezone.now() + past):
        assert "would delete 300 ended sessions" in manage("prune --dry-run").out
        done = manage("prune")
    assert "deleted 300 ended sessions" in done.out
    assert "ended sessions: 100 of 300" in done.err


@pytest.mark.django_db(transaction=True)
def test_two_prunes_at_once_delete_each_row_once(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 20)
    for batch in (make_users(20), make_sessions(400, users=20, ended=True)):
        list(batch)
    # Each login was opened from its phone's registration, so that row must be deleted after it.
    roots = list(Session.objects.order_by("pk").values_list("pk", flat=True)[:200])
    for root, child in zip(roots, Session.objects.order_by("pk")[200:], strict=True):
        Session.objects.filter(pk=child.pk).update(opened_from=root)
    later = timezone.now() + 100 * DAY

    def all_of_it(_):
        try:
            counts = [max(retention.prune(what), default=0) for what in retention.prunable(ended_before=later)]
            return counts[2]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(all_of_it, range(4))) == 400
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_prune_holds_is_left_to_it():
    for batch in (make_users(5), make_sessions(10, users=5, ended=True)):
        list(batch)
    held = Session.objects.order_by("pk")[0].pk

    def the_others(_):
        try:
            return max(retention.prune(retention.prunable(ended_before=timezone.now() + DAY)[2]), default=0)
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        Session.objects.select_for_update().get(pk=held)
        assert list(pool.map(the_others, [None])) == [9]
    assert Session.objects.get().pk == held


def test_an_entry_of_the_record_goes_when_its_retention_is_over(ann, settings, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    phone, now = ZapPhone(InProcess()), timezone.now()
    for _ in range(2):
        phone.call("POST", "/v1/login", {"identity": "nobody", "password": "wrong-1-word"})
    count = SecurityEvent.objects.count()
    assert count >= 3
    with travel(now + 399 * DAY):
        assert "securityEvents" not in pruned()
    with travel(now + 401 * DAY):
        assert pruned("--dry-run")["securityEvents"] == count
        assert pruned()["securityEvents"] == count
    assert not SecurityEvent.objects.exists()
