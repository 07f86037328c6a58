"""The first page of the admin, its figures and its speed. Also the page that explains a token."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client

from sessions.inspect.dashboard import dashboard
from sessions.inspect.statistics import count_figures
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import EndReason, Figure, Session
from sessions.upkeep.sweeper import sweep
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.sessions.staff import browser_of
from users.models import App, RefusedLogin, User

pytestmark = pytest.mark.usefixtures("nobody_yet")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make(live=0, ended=0):
    for batch in (make_users(20), make_sessions(live, users=20), make_sessions(ended, users=20, ended=True)):
        list(batch)


def test_the_figures_are_what_a_count_of_all_rows_gives(db):
    make(live=300, ended=150)
    shown = dashboard()
    assert shown.live == 300
    by_platform = {part.label: part.count for part in shown.by_platform}
    assert by_platform == {
        platform: Session.objects.filter(ended_at=None, platform=platform).count() for platform in by_platform
    }
    assert sum(by_platform.values()) == sum(part.count for part in shown.by_app) == 300
    for column in shown.ended.columns:
        on_that_day = Session.objects.filter(ended_at__date=column.day)
        assert {part.key: part.count for part in column.parts if part.count} == {
            reason: on_that_day.filter(end_reason=reason).count()
            for reason in {*on_that_day.values_list("end_reason", flat=True)}
        }
    for column in shown.live_by_day.columns[:-1]:
        end = datetime.combine(column.day + timedelta(days=1), datetime.min.time(), UTC)
        then = Session.objects.filter(created_at__lt=end)
        assert column.total == then.filter(ended_at=None).count() + then.filter(ended_at__gte=end).count()


def test_live_sessions_are_of_now_though_the_rest_was_counted_before(db):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(3)]
    count_figures()
    assert dashboard().live == 3
    phones[0].log_out()
    phones += [ZapPhone(InProcess()).sign_up() for _ in range(2)]
    assert dashboard().live == 4
    count_figures()
    assert dashboard().live == 4


def test_the_sessions_of_an_app_that_is_switched_off_are_not_live(db):
    phone = ZapPhone(InProcess()).sign_up()
    assert dashboard().live == 1
    App.objects.update(is_active=False)
    assert phone.me().status == 401
    assert (dashboard().live, dashboard().by_app) == (0, [])


def test_the_sweep_counts_and_a_day_that_is_over_is_counted_once(db):
    with time_machine.travel(NOON, tick=False) as clock:
        ZapPhone(InProcess()).sign_up().log_out()
        sweep()
        clock.shift(timedelta(days=1))
        ZapPhone(InProcess()).sign_up()
        sweep()
        assert Figure.objects.get(kind="ended", label="logout").count == 1
        # These rows have been pruned. The counted figures stay.
        Session.objects.exclude(ended_at=None).delete()
        clock.shift(timedelta(hours=1))
        sweep()
        shown = dashboard()
    assert [column.total for column in shown.ended.columns[-2:]] == [1, 0]
    assert [column.total for column in shown.live_by_day.columns[-2:]] == [0, 1]


def test_refused_logins_are_counted_by_reason(db, settings):
    phone = ZapPhone(InProcess()).sign_up("ann")
    User.objects.create_user("out", PASSWORD, is_active=False)
    phone.log_in("nobody")
    phone.log_in("out")
    Client().post("/admin/login/", {"username": "ann", "password": "wrong"})
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (0, 60), "login_known": (0, 60)}
    assert phone.log_in("ann").status == 429
    assert dict(RefusedLogin.objects.values_list("reason", "count")) == {
        "unknown_user": 1,
        "disabled": 1,
        "known_place": 1,
        "too_many": 1,
    }
    assert dashboard().refused.today.total == 4


def test_every_figure_leads_to_the_list_behind_it(supporter, monkeypatch):
    monkeypatch.setattr("users.keyset_list.COUNTED_WITHIN_MS", 60_000)  # a busy machine counts slowly
    make(live=100, ended=100)
    RefusedLogin.objects.create(hour=datetime.now(UTC).replace(minute=0, second=0), reason="too_many", count=7)
    page = supporter.get("/admin/")
    shown, text = page.context["figures"], page.content.decode()
    platform, app, ended = shown.by_platform[0], shown.by_app[0], shown.ended.columns[-3]
    for link, count in (
        ("user_sessions/session/?state=live", 101),  # and the log-in of the member of staff
        (f"user_sessions/session/?state=live&platform={platform.key}", platform.count),
        (f"user_sessions/session/?state=live&app={app.key}", app.count),
        (f"user_sessions/session/?ended={ended.day}", ended.total),
        (f"user_sessions/session/?reason={shown.ended.legend[0].key}", shown.ended.legend[0].count),
        (f"user_sessions/session/?live_on={ended.day}", shown.live_by_day.columns[-3].total),
        (f"users/refusedlogin/?hour__date={shown.refused.today.day}", 1),
        ("users/refusedlogin/?reason__exact=too_many", 1),
    ):
        assert f'href="/admin/{link.replace("&", "&amp;").replace(" ", "%20")}"' in text, link
        assert supporter.get(f"/admin/{link}").context["cl"].result_count == count, link


def test_the_dashboard_takes_as_many_queries_for_a_thousand_sessions_as_for_none(
    supporter, django_assert_max_num_queries
):
    for number in (0, 1000):
        make(live=number)
        count_figures()
        with django_assert_max_num_queries(22):
            assert supporter.get("/admin/").status_code == 200


def test_an_empty_installation_is_told_what_to_do(supporter):
    text = supporter.get("/admin/").content.decode()
    assert "No client has logged in yet" in text
    assert "manage.py demo" in text
    assert "None so far" in text


def test_made_up_sessions_are_on_the_dashboard_of_an_installation_that_was_empty_at_once(supporter):
    assert supporter.get("/admin/").context["figures"].is_empty
    call_command("demo", users=20, sessions=300, ended=100, stdout=StringIO())
    figures = supporter.get("/admin/").context["figures"]
    assert (figures.live, figures.ended.total) == (301, 100)  # and the log-in of the member of staff
    live = [column.total for column in figures.live_by_day.columns]
    assert live[0] < live[15] < live[-1] == 301


def test_staff_who_may_see_nothing_see_no_figure(db):
    user = User.objects.create_user("new", PASSWORD, is_staff=True)
    page = browser_of(user).get("/admin/")
    assert "figures" not in page.context
    assert "add you to the group Support" in page.content.decode()
    for url in ("/admin/explain/", "/admin/user_sessions/session/", "/admin/user_sessions/bulkrun/"):
        assert browser_of(user).get(url).status_code == 403


def test_a_token_is_explained_and_is_nowhere_afterwards(supporter, caplog):
    phone = ZapPhone(InProcess()).sign_up("ann")
    page = supporter.post("/admin/explain/", {"token": f" Bearer {phone.access_token}\n"})
    text = page.content.decode()
    assert page.context["found"].verdict == "accepted"
    assert "no-store" in page.headers["cache-control"]
    assert "ann" in text
    assert str(Session.objects.get(user=phone.user_id).pk) in text
    for part in phone.access_token.split("."):
        assert part not in text
        assert part not in caplog.text
    phone.log_out()
    text = supporter.post("/admin/explain/", {"token": phone.access_token}).content.decode()
    assert "Refused: The session has ended" in text
    assert EndReason.LOGOUT.label in text


def test_a_token_in_the_address_is_not_looked_at(supporter):
    phone = ZapPhone(InProcess()).sign_up()
    page = supporter.get("/admin/explain/", {"token": phone.access_token})
    assert page.context["found"] is None
    assert phone.access_token not in page.content.decode()


@pytest.mark.parametrize("text", ["nonsense", "a.b.c", "x" * 20_000, " "])
def test_what_is_no_token_is_told_so(supporter, text):
    assert supporter.post("/admin/explain/", {"token": text}).status_code == 200
