"""Ending sessions from the list: which sessions end, who may do it, what is recorded."""

import re

import pytest
from django.core import signing
from django.db import connection
from django.urls import reverse

from sessions.bulk.resume import take_up
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.search import matching
from tests.phones import BuddyPhone, InProcess, ZapPhone, promote
from tests.sessions.staff import LIST, browser_of, confirm, log_in, new_staff, tick, told
from users.clock import database_now
from users.models import App, SecurityEvent, User

LOG_OUT = "/admin/user_sessions/session/log-out/"


@pytest.fixture
def many(db):
    """Forty users with two hundred live sessions and fifty ended ones."""
    for batch in (make_users(40), make_sessions(200, users=40), make_sessions(50, users=40, ended=True)):
        list(batch)


def ids_of(*phones):
    sessions = Session.objects.filter(user__in=[phone.user_id for phone in phones])
    return [str(pk) for pk in sessions.values_list("pk", flat=True)]


def live(**which):
    """Live sessions of clients, without those of the staff who look."""
    return Session.objects.filter(ended_at=None, app__kind=App.Kind.CLIENT, **which)


def test_the_ticked_session_is_logged_out_after_a_confirmation_and_all_of_it_is_on_record(operator):
    phone, other = ZapPhone(InProcess(), device_token="phone").sign_up(), ZapPhone(InProcess()).sign_up()
    question = tick(operator, "log_out", ids_of(phone))
    assert phone.me().status == 200  # nothing has happened yet
    assert [session.user_id for session in question.context["sample"]] == [phone.user_id]
    page = confirm(operator, question, note="Phone stolen, ticket 4711")
    assert "1 session ended" in told(page)
    assert (phone.me().status, phone.refresh().status, other.me().status) == (401, 401, 200)
    session, olga = Session.objects.get(user=phone.user_id), User.objects.get(username="olga")
    assert (session.end_reason, session.ended_by, session.bulk_run) == (EndReason.STAFF, olga, None)
    assert not BulkRun.objects.exists()  # one session is no bulk run
    entry = SecurityEvent.objects.get(event="sessions_ended")
    assert (session.ended_ip, session.ended_request_id) == ("127.0.0.1", entry.request_id)
    assert (entry.actor, entry.user_id, entry.ip) == (olga, phone.user_id, "127.0.0.1")
    assert entry.details == {"count": 1, "session": str(session.pk), "note": "Phone stolen, ticket 4711"}
    assert entry.request_id
    assert entry.session_id == Session.objects.get(user=olga).pk


def test_the_ticked_sessions_are_a_bulk_run_and_all_of_it_is_on_record(operator):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(2)]
    confirm(operator, tick(operator, "log_out", ids_of(*phones)), note="Leak, ticket 4711")
    run, olga = BulkRun.objects.get(), User.objects.get(username="olga")
    for session in Session.objects.filter(user__in=[phone.user_id for phone in phones]):
        assert (session.end_reason, session.ended_by, session.bulk_run) == (EndReason.STAFF, olga, run)
        assert (session.ended_ip, session.ended_request_id) == ("127.0.0.1", run.request_id)
    assert (run.actor, run.note, run.source) == (olga, "Leak, ticket 4711", "admin")
    assert (run.expected, run.ended, run.ip) == (2, 2, "127.0.0.1")
    assert run.finished_at
    assert run.request_id


def test_select_across_ends_all_that_match_and_not_only_those_of_the_page(operator, many):
    before = live(platform="Android").count()
    others = live().exclude(platform="Android").count()
    question = tick(operator, "log_out", ids_of_page(operator), across=True, narrowed="?platform=Android")
    assert question.context["found"].count == before > 30
    page = confirm(operator, question, note="Broken release")
    assert f"{before} sessions ended" in told(page)
    assert (live(platform="Android").count(), live().count()) == (0, others)
    run = BulkRun.objects.get()
    assert run.selection == {"platforms": ["Android"], "spare_superusers": True}
    assert Session.objects.filter(bulk_run=run).count() == run.ended == before


def ids_of_page(browser):
    return [str(session.pk) for session in browser.get(LIST).context["cl"].result_list]


@pytest.mark.parametrize(
    "narrowed",
    [
        *("state=live", "platform=iOS", "seen=7d-", "seen=7d", "created=7d-", "created=1d", "created=7d-&seen=7d"),
        *("q=ada", "q=10.0.0.0/28", "q=ada&platform=Android", "live_on={day}", "created={day}", "app={app}"),
        *(
            "network=10.0.0.7/24",
            "version=3.2&opened_from={day}",
            "unseen=3",
            "opened_to={day}&created=7d-",
            "user={name}",
        ),
        *("q=nobody-at-all", "seen={day}&platform=windows", "user={user}", "live_on={day}&created=7d-"),
    ],
)
def test_a_selection_means_the_live_ones_that_the_list_shows(operator, many, narrowed):
    some = Session.objects.order_by("pk")[60]
    query = narrowed.format(day=some.created_at.date(), app=some.app_id, user=some.user_id, name=some.user.username)
    shown = operator.get(f"{LIST}?{query}").context["cl"].queryset.filter(ended_at=None)
    shown = {str(pk) for pk in shown.values_list("pk", flat=True)}
    question = tick(operator, "log_out", ids_of_page(operator), across=True, narrowed=f"?{query}")
    if not shown:
        assert "no live session" in told(question)
        return
    meant = question.context["found"].selection.queryset(now=database_now()).filter(ended_at=None)
    assert {str(pk) for pk in meant.values_list("pk", flat=True)} == shown
    assert question.context["found"].count == len(shown)


@pytest.mark.parametrize("narrowed", ["?state=ended", "?reason=logout", "?ended=2026-11-20"])
def test_of_a_list_of_ended_sessions_nothing_is_ended(operator, many, narrowed):
    page = tick(operator, "log_out", ids_of_page(operator), across=True, narrowed=narrowed)
    assert "have ended" in told(page)
    assert not BulkRun.objects.exists()


@pytest.mark.parametrize("lookup", ["ip=10.0.0.1", "user__username=ada", "created_at__gte=2020-01-01"])
def test_the_list_cannot_be_narrowed_by_what_the_logout_does_not_know(operator, many, lookup):
    # Otherwise "all that match" would mean more than the page shows.
    assert operator.get(f"{LIST}?{lookup}").status_code == 400


def test_logging_users_out_everywhere_ends_their_other_sessions_too(operator):
    phone, stranger = ZapPhone(InProcess()).sign_up("ann"), ZapPhone(InProcess()).sign_up("bob")
    tablet = ZapPhone(InProcess())
    tablet.log_in("ann")
    ticked = [str(Session.objects.filter(user=phone.user_id).first().pk)]
    page = confirm(operator, tick(operator, "log_out_everywhere", ticked), note="")
    assert "2 sessions ended" in told(page)
    assert (phone.me().status, tablet.me().status, stranger.me().status) == (401, 401, 200)
    # One write on the user refuses them, before the rows are swept.
    assert BulkRun.objects.get().cut_off
    assert User.objects.get(username="ann").session_epoch == 1


def test_more_than_one_user_is_for_those_who_may_end_everybodys_sessions(supporter, operator):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(2)]
    page = tick(supporter, "log_out", ids_of(phones[0]) + ids_of(phones[1]))
    assert "2 users" in told(page)
    assert not BulkRun.objects.exists()
    confirm(supporter, tick(supporter, "log_out", ids_of(phones[0])), note="on the phone")
    assert [phone.me().status for phone in phones] == [401, 200]


def test_a_token_of_an_operators_page_is_nothing_to_a_supporter(supporter, operator):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(2)]
    question = tick(operator, "log_out", ids_of(phones[0]) + ids_of(phones[1]))
    assert confirm(supporter, question, note="mine now").status_code == 403
    forged = signing.dumps({"selection": {"everyone": True}, "everywhere": False, "count": 9, "actor": "x"}, salt="x")
    assert operator.post(LOG_OUT, {"token": forged, "note": "all"}).status_code == 403
    assert [phone.me().status for phone in phones] == [200, 200]


def test_more_than_one_user_needs_a_reason_and_one_does_not(operator):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(2)]
    question = tick(operator, "log_out", ids_of(phones[0]) + ids_of(phones[1]))
    again = confirm(operator, question, note="  ")
    assert "This field is required" in again.content.decode()
    assert phones[0].me().status == 200
    confirm(operator, again, note="Leaked passwords")
    assert [phone.me().status for phone in phones] == [401, 401]


def test_many_sessions_want_their_number_typed(operator, many, settings):
    settings.BULK_CONFIRM_OVER = 100
    question = tick(operator, "log_out", ids_of_page(operator), across=True)
    count = question.context["found"].count
    assert f"Type {count} to go on" in question.content.decode()
    assert "the number of sessions." in confirm(operator, question, note="Incident", typed="20").content.decode()
    assert live().count() == 200
    confirm(operator, question, note="Incident", typed=f"{count:,}")
    assert live().count() == 0


def test_a_selection_that_has_grown_since_the_page_is_asked_about_again(operator):
    phone = ZapPhone(InProcess()).sign_up("ann")
    question = tick(operator, "log_out", ids_of(phone), across=True, narrowed="?q=ann")
    for _ in range(2):
        ZapPhone(InProcess()).log_in("ann")
    again = confirm(operator, question, note="stolen")
    assert "Nothing was changed" in told(again)
    assert phone.me().status == 200
    assert again.context["found"].count == 3
    assert "3 sessions ended" in told(confirm(operator, again, note="stolen"))


def test_superusers_are_left_out_unless_a_superuser_orders_it(operator):
    boss = new_staff(name="boss")
    phone, other = ZapPhone(InProcess()), ZapPhone(InProcess()).sign_up()
    phone.log_in("boss")
    question = tick(operator, "log_out", ids_of(other), across=True)
    assert question.context["found"].count == 2  # and the operator's own session
    confirm(operator, question, note="everybody out")
    assert (phone.me().status, other.me().status) == (200, 401)
    log_in(operator, User.objects.get(username="olga"))
    boss_session = Session.objects.get(user=boss)
    assert "no live session" in told(tick(operator, "log_out", [str(boss_session.pk)]))
    assert operator.post(f"{LIST}{boss_session.pk}/end/", {"note": "x"}).status_code == 403
    assert phone.me().status == 200
    of_boss = browser_of(boss)
    confirm(of_boss, tick(of_boss, "log_out", [str(boss_session.pk)], across=True), note="really everybody")
    assert phone.me().status == 401


def test_everybody_is_refused_at_once_when_a_superuser_logs_out_a_list_that_nothing_narrows(db):
    boss = browser_of(new_staff())
    phone, app = ZapPhone(InProcess()).sign_up(), BuddyPhone(InProcess()).sign_up()
    question = tick(boss, "log_out", ids_of(phone), across=True)
    assert "refused at once" in question.content.decode()
    confirm(boss, question, note="Incident")
    run = BulkRun.objects.get()
    assert (run.selection, run.cut_off) == ({"everyone": True}, True)
    assert (phone.me().status, app.me().status) == (401, 401)


def test_a_large_run_is_done_after_the_answer_and_shows_how_far_it_is(operator, many, monkeypatch):
    monkeypatch.setattr("sessions.bulk.resume.AT_ONCE", 10)
    question = tick(operator, "log_out", ids_of_page(operator), across=True)
    page = confirm(operator, question, note="Incident")
    run = BulkRun.objects.get()
    assert page.request["PATH_INFO"] == reverse("admin:user_sessions_bulkrun_change", args=[run.pk])
    text = page.content.decode()
    assert "0 of 201 ended" in text
    assert "every 1s" in text
    take_up()
    assert live().count() == 0
    # The operator's own session was one of them.
    assert operator.get(page.request["PATH_INFO"]).headers["location"].startswith("/admin/login/")
    log_in(operator, User.objects.get(username="olga"))
    done = operator.get(page.request["PATH_INFO"]).content.decode()
    assert "201 of 201 ended" in done
    assert "every 1s" not in done


def test_view_only_staff_see_no_button_and_their_handmade_requests_are_forbidden(db):
    viewer = new_staff("Support", name="vera")
    permissions = viewer.groups.get().permissions.exclude(codename="end_session")
    viewer.user_permissions.set(permissions)
    viewer.groups.clear()
    browser, phone = browser_of(viewer), ZapPhone(InProcess()).sign_up()
    (session,) = ids_of(phone)
    pages = [LIST, f"{LIST}{session}/change/", f"/admin/users/user/{phone.user_id}/change/"]
    for page in pages:
        shown = browser.get(page)
        assert shown.status_code == 200
        assert not re.search(r"End the selected|/end/|/log-out/|/disable/", shown.content.decode()), page
    chosen = {"action": "log_out", "_selected_action": [session]}
    handmade = [
        (LIST, chosen),
        (LOG_OUT, {"token": "x"}),
        (f"{LIST}{session}/end/", {"note": "x"}),
        (f"/admin/users/user/{phone.user_id}/log-out/", {"note": "x"}),
        (f"/admin/users/user/{phone.user_id}/disable/", {"note": "x"}),
    ]
    for url, form in handmade:
        assert browser.post(url, form).status_code == 403, url
    assert phone.me().status == 200


def test_who_is_no_staff_is_sent_to_the_login(client, db):
    phone = ZapPhone(InProcess()).sign_up()
    (session,) = ids_of(promote(phone))
    log_in(client, User.objects.get(pk=phone.user_id))
    User.objects.filter(pk=phone.user_id).update(is_staff=False)
    for url in (f"{LIST}{session}/end/", LOG_OUT, f"/admin/users/user/{phone.user_id}/disable/", "/admin/explain/"):
        assert client.post(url, {"note": "x"}).headers["location"].startswith("/admin/login/"), url
    assert phone.me().status == 200


def test_the_record_cannot_be_changed_or_deleted(db):
    boss = browser_of(new_staff())
    phone = ZapPhone(InProcess()).sign_up("ann")
    ZapPhone(InProcess()).log_in("ann")
    confirm(boss, tick(boss, "log_out", ids_of(phone)), note="why")
    for row in (BulkRun.objects.get(), Session.objects.filter(user=phone.user_id)[0]):
        url = f"/admin/user_sessions/{row._meta.model_name}/{row.pk}"
        assert boss.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
        assert boss.post(f"{url}/change/", {"note": "another"}).status_code == 403
    assert boss.post("/admin/user_sessions/bulkrun/add/", {}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(BulkRun.objects.get().pk)], "post": "yes"}
    boss.post("/admin/user_sessions/bulkrun/", chosen)
    assert BulkRun.objects.get().note == "why"


def test_the_list_of_runs_says_who_what_and_why(operator, many):
    confirm(operator, tick(operator, "log_out", ids_of_page(operator), across=True, narrowed="?q=ada"), note="Leak")
    text = operator.get("/admin/user_sessions/bulkrun/").content.decode()
    for words in ("olga", "search: “ada”", "Leak"):
        assert words in text
    run = BulkRun.objects.get()
    link = f"{LIST}?run={run.pk}"
    assert link in operator.get(f"/admin/user_sessions/bulkrun/{run.pk}/change/").content.decode()
    assert operator.get(link).context["cl"].result_count == run.ended


def test_the_list_takes_as_many_queries_for_two_hundred_sessions_as_for_none(operator, django_assert_max_num_queries):
    with django_assert_max_num_queries(24):  # seven of them set limits of time
        operator.get(LIST)
    for batch in (make_users(40), make_sessions(200, users=40)):
        list(batch)
    with django_assert_max_num_queries(24):
        assert len(operator.get(LIST).context["cl"].result_list) == 50


@pytest.mark.parametrize(
    "term", ["ann", "ANN@EX", "{user}", "{session}", "127.0.0.1", "127.0.0.0/8", "push-address", "{device}", " ann "]
)
def test_sessions_are_found_by_whatever_somebody_on_the_phone_can_name(operator, term):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    session = Session.objects.get(user=phone.user_id)
    User.objects.filter(pk=phone.user_id).update(email="ann@example.org")
    text = term.format(user=phone.user_id, session=session.pk, device=session.device_id)
    assert session in operator.get(LIST, {"q": text}).context["cl"].result_list
    phone.log_out()
    assert session in operator.get(LIST, {"q": text}).context["cl"].result_list


@pytest.mark.parametrize(
    ("text", "index"),
    [("10.0.0.7", "session_from_ip"), ("{user}", "session_of_user"), ("{device}", "session_of_device")],
)
def test_a_search_has_an_index(many, text, index):
    session = Session.objects.exclude(device=None).first()
    found = matching(text.format(user=session.user_id, device=session.device_id))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # with so few rows PostgreSQL would read the whole table
    assert index in Session.objects.filter(found).explain()


def test_what_is_no_session_cannot_be_ticked(operator, many):
    assert tick(operator, "log_out", ["nonsense"]).status_code == 400
