"""A user's timeline in the admin: what it shows, to whom, and how its pages and filters work."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions.inspect.timeline import Source, streams_about, streams_by, timeline
from sessions.logout import end_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import EndReason, Session
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.sessions.staff import browser_of, new_staff, user_url
from users.models import SecurityEvent, User
from users.origin import Origin
from users.record.events import Event, Kind
from users.record.writing import record

FROM_OFFICE = Origin(ip="192.0.2.17", user_agent="Firefox", request_id="r-1")


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", PASSWORD, email="ann@example.org")


def lines_of(browser, user, query=""):
    """Return the lines of that page of the timeline, as (what, who)."""
    page = browser.get(f"{user_url(user.pk, 'timeline')}{query}")
    assert page.status_code == 200
    return [(line.what, line.who) for line in page.context["lines"]]


def change_email(user, actor, number=1):
    changed = {"email": {"from": "a***@example.org", "to": f"a***@{number}.example.org"}}
    record(Event.EMAIL_CHANGED, user=user, actor=actor, origin=FROM_OFFICE, changed=changed)


def test_it_mixes_entries_and_sessions_newest_first_with_who_and_from_where(supporter, sven):
    phone = ZapPhone(InProcess()).sign_up("ann")
    ann = User.objects.get(username="ann")
    change_email(ann, sven)
    phone.log_out()
    record(Event.LOGIN_REFUSED, user=ann, origin=FROM_OFFICE, reason="wrong_password")
    page = supporter.get(user_url(ann.pk, "timeline"))
    lines = page.context["lines"]
    assert [(line.what, line.who) for line in lines] == [
        ("A log-in was refused", "unknown"),
        ("Session ended: logged out by the user", "the user"),
        ("The email was changed", "sven"),
        ("Session opened", "the user"),
        ("The account was created", "the user"),
    ]
    assert [line.at for line in lines] == sorted((line.at for line in lines), reverse=True)
    text = page.content.decode()
    for shown in ("192.0.2.17", "127.0.0.1", "a***@1.example.org", "wrong password", "Time (UTC)", "ZAP"):
        assert shown in text, shown
    assert lines[0].is_refused
    assert not lines[1].is_refused


def test_what_clients_sent_is_text_and_not_html(supporter, ann):
    record(Event.LOGIN_REFUSED, user=ann, reason="<b>x</b>", note="<script>1</script>")
    text = supporter.get(user_url(ann.pk, "timeline")).content.decode()
    assert "&lt;script&gt;1" in text
    assert "<script>1" not in text


def test_it_is_filtered_by_kind(supporter, sven):
    phone = ZapPhone(InProcess()).sign_up("ann")
    ann = User.objects.get(username="ann")
    phone.log_out()
    record(Event.LOGIN_REFUSED, user=ann, reason="disabled")
    record(Event.FACTOR_ENABLED, user=ann, actor=ann)
    record(Event.SESSIONS_ENDED, user=ann, actor=sven, count=1)
    kinds = ("logins", "account", "factor", "orders", "sessions")
    shown = {kind: [what for what, _ in lines_of(supporter, ann, f"?kind={kind}")] for kind in kinds}
    assert shown == {
        "logins": ["A log-in was refused", "There was a log-in"],
        "account": ["The account was created"],
        "factor": ["The second factor was switched on"],
        "orders": ["Sessions were ended"],
        "sessions": ["Session ended: logged out by the user", "Session opened"],
    }
    chips = supporter.get(user_url(ann.pk, "timeline"), {"kind": "factor"}).context["chips"]
    assert [chip.value for chip in chips if chip.is_chosen] == ["factor"]


def test_a_log_in_and_the_session_that_it_opened_are_one_line_until_the_session_is_pruned(supporter, ann):
    phone = ZapPhone(InProcess())
    phone.log_in("ann")
    session = Session.objects.get(user=ann)
    assert SecurityEvent.objects.get(user=ann, event=Event.LOGIN).session_id == session.pk
    record(Event.LOGIN, user=ann, actor=ann, session_id=uuid4(), origin=FROM_OFFICE)
    assert [what for what, _ in lines_of(supporter, ann)] == ["There was a log-in", "Session opened"]
    logins = lines_of(supporter, ann, "?kind=logins")
    assert logins == [("There was a log-in", "the user")] * 2


def test_pages_lead_back_and_forth_without_a_gap_or_a_repeat_while_entries_arrive(supporter, sven, ann):
    for batch in (make_users(1), make_sessions(70, users=1), make_sessions(90, users=1, ended=True)):
        list(batch)
    user = User.objects.get(username__endswith="_1")
    for number in range(60):
        change_email(user, sven, number)
    whole = [moment.position for moment in timeline(streams_about(user), limit=1000).moments]
    assert len(whole) == 70 + 2 * 90 + 60

    def walk(link, page):
        seen = []
        while True:
            seen.append([(line.at, line.what) for line in page.context["lines"]])
            change_email(user, sven)  # somebody is at work meanwhile
            start = page.context[link]
            if not start:
                return seen, page
            page = supporter.get(user_url(user.pk, "timeline"), {link: start})

    first = supporter.get(user_url(user.pk, "timeline"))
    forth, last = walk("older", first)
    assert [at for page in forth for at, _ in page] == [position.at for position in whole]
    assert len({*(line for page in forth for line in page)}) == len({(line) for page in forth for line in page})
    back, top = walk("newer", last)
    # The pages are the same on the way back, and the new entries come before them.
    again = [line for page in reversed(back) for line in page]
    old = [line for page in forth for line in page]
    assert again[-len(old) :] == old
    assert len(again) > len(old)
    assert top.context["newer"] is None


def test_moments_at_one_instant_are_all_shown_once(ann):
    now = timezone.now()
    ZapPhone(InProcess()).log_in("ann")
    for _ in range(6):
        ZapPhone(InProcess()).log_in("ann")
    Session.objects.filter(user=ann).update(created_at=now, ended_at=now, end_reason=EndReason.STAFF)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO users_securityevent (at, event, user_id)
               SELECT %s, 'name_changed', %s FROM generate_series(1, 5)""",
            [now, ann.pk],
        )
    streams = [stream for stream in streams_about(ann) if stream.source is not Source.RECORDED]
    streams += streams_about(ann, kind=Kind.ACCOUNT)
    whole = [moment.position for moment in timeline(streams, limit=100).moments]
    assert len(whole) == len(set(whole)) >= 19
    for limit in (1, 2, 3):
        seen, after = [], None
        while True:
            page = timeline(streams, limit=limit, older_than=after)
            seen += [moment.position for moment in page.moments]
            if page.older is None:
                break
            after = page.older
        assert seen == whole
        back = timeline(streams, limit=limit, newer_than=whole[limit])
        assert [moment.position for moment in back.moments] == whole[:limit]


def test_the_link_to_newer_lines_leads_to_the_top_if_there_are_none(supporter, ann, sven):
    change_email(ann, sven)
    top = timeline(streams_about(ann), limit=1).moments[0].position
    answer = supporter.get(user_url(ann.pk, "timeline"), {"newer": str(top), "kind": "account"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"{user_url(ann.pk, 'timeline')}?kind=account&")


@pytest.mark.parametrize(
    "query",
    [
        "kind=nothing",
        "older=x",
        "older=2026-01-01T00:00:00_OPENED_1",
        "older=2026-01-01T00:00:00Z_NOWHERE_1",
        "newer=2026-01-01T00:00:00Z_OPENED_1",
        "newer=2026-01-01T00:00:00Z_RECORDED_x",
    ],
)
def test_a_page_that_does_not_exist_is_not_found(supporter, ann, query):
    assert supporter.get(f"{user_url(ann.pk, 'timeline')}?{query}").status_code == 404


@pytest.mark.parametrize("key", ["0", "99999999999999999999999999"])
def test_a_made_up_position_shows_what_is_older(supporter, ann, sven, key):
    change_email(ann, sven)
    assert lines_of(supporter, ann, f"?older=9999-01-01T00:00:00Z_RECORDED_{key}") == [
        ("The email was changed", "sven")
    ]


def test_who_may_see_it(supporter, ann):
    boss = new_staff(name="boss")
    record(Event.NAME_CHANGED, user=boss, actor=boss)
    # Support sees the record of everybody, superusers included.
    assert ("The name was changed", "the user") in lines_of(supporter, boss)
    nobody = browser_of(User.objects.create_user("new", PASSWORD, is_staff=True))
    viewer = User.objects.create_user("viewer", PASSWORD, is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "view_session")))
    for browser in (nobody, browser_of(viewer)):
        for page in ("timeline", "acts", "history"):
            assert browser.get(user_url(ann.pk, page)).status_code == 403
        assert browser.post(user_url(ann.pk, "export"), {"format": "csv"}).status_code == 403
        assert browser.get("/admin/users/securityevent/").status_code == 403
    page = browser_of(viewer).get(user_url(ann.pk))
    assert page.context["lines"] is None
    assert "timeline" not in page.content.decode().lower()
    assert not SecurityEvent.objects.filter(event=Event.RECORD_EXPORTED).exists()


def test_the_sessions_are_hidden_from_staff_who_may_not_see_sessions(ann):
    ZapPhone(InProcess()).log_in("ann")
    record(Event.NAME_CHANGED, user=ann, actor=ann)
    clerk = User.objects.create_user("clerk", PASSWORD, is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "view_securityevent")))
    browser = browser_of(clerk)
    assert "Session opened" not in {what for what, _ in lines_of(browser, ann)}
    assert browser.get(user_url(ann.pk, "timeline"), {"kind": "sessions"}).status_code == 404
    assert "Session opened" not in browser.get(user_url(ann.pk)).content.decode()
    assert browser.post(user_url(ann.pk, "export"), {"format": "csv"}).status_code == 403


@pytest.mark.parametrize("page", ["timeline", "acts"])
def test_there_is_no_timeline_of_a_user_who_does_not_exist(supporter, page):
    assert supporter.get(f"/admin/users/user/nonsense/{page}/").status_code == 404
    assert supporter.get(f"/admin/users/user/{'0' * 24}/{page}/").status_code == 404


def test_what_staff_did_to_others_is_a_list_of_its_own(supporter, sven, ann):
    bob = User.objects.create_user("bob")
    change_email(ann, sven)
    record(Event.GROUP_CHANGED, actor=sven, name="Support")
    record(Event.NAME_CHANGED, user=sven, actor=sven)
    change_email(ann, bob)
    page = supporter.get(user_url(sven.pk, "acts"))
    assert [line.what for line in page.context["lines"]] == ["A group was changed", "The email was changed"]
    link = user_url(sven.pk, "acts")
    assert link in supporter.get(user_url(sven.pk, "timeline")).content.decode()
    assert user_url(ann.pk, "acts") not in supporter.get(user_url(ann.pk, "timeline")).content.decode()
    # Bob is not staff any more, but he has acted.
    assert user_url(bob.pk, "acts") in supporter.get(user_url(bob.pk, "timeline")).content.decode()


def test_the_users_page_shows_the_newest_lines(supporter, sven, ann):
    for number in range(20):
        change_email(ann, sven, number)
    page = supporter.get(user_url(ann.pk))
    assert len(page.context["lines"]) == 5
    assert "a***@19.example.org" in page.content.decode()
    assert user_url(ann.pk, "timeline") in page.content.decode()


def test_the_session_of_an_operators_command_and_of_the_service_name_who_ended_it(supporter, ann, sven):
    for reason, actor in ((EndReason.STAFF, sven), (EndReason.EXPIRED, None), (EndReason.LOGOUT, ann)):
        ZapPhone(InProcess()).log_in("ann")
        end_sessions(Session.objects.filter(user=ann, ended_at=None), actor=actor, reason=reason, origin=FROM_OFFICE)
    ended = [who for what, who in lines_of(supporter, ann, "?kind=sessions") if "ended" in what]
    assert ended == ["the user", "the service", "sven"]


@pytest.fixture
def long_history(db):
    """A user with a twentieth of 9,000 sessions and of 12,000 entries."""
    for batch in (make_users(20), make_sessions(3000, users=20), make_sessions(6000, users=20, ended=True)):
        list(batch)
    user = User.objects.get(username__endswith="_1")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO users_securityevent (at, event, user_id)
               SELECT clock_timestamp() - n * interval '1 minute', 'login_refused', CASE WHEN n %% 20 = 0 THEN %s END
                 FROM generate_series(1, 12000) n""",
            [user.pk],
        )
        cursor.execute("ANALYZE users_securityevent, user_sessions_session")
    return user


@pytest.mark.parametrize("direction", ["older_than", "newer_than", "newest"])
def test_entries_and_opened_sessions_are_read_by_an_index_and_only_as_far_as_the_page_needs(long_history, direction):
    middle = timeline(streams_about(long_history), limit=300).older
    where = {} if direction == "newest" else {direction: middle}
    indexes = {
        Source.OPENED: "session_of_user",
        Source.RECORDED: "event_of_user",
    }
    for stream in (each for each in streams_about(long_history) if each.source in indexes):
        with CaptureQueriesContext(connection) as asked:
            stream.read(11, after=where.get(direction), is_newer=direction == "newer_than")
        (query,) = asked.captured_queries
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
            nodes = [*nodes_of(cursor.fetchone()[0][0]["Plan"])]
        read = {node["Relation Name"]: node for node in nodes if "Relation Name" in node}
        table = stream.rows.model._meta.db_table
        assert read[table].get("Index Name") == indexes[stream.source], read[table]
        assert read[table]["Actual Rows"] <= 30


def nodes_of(plan):
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes_of(part)


def test_a_long_history_takes_as_many_statements_as_a_short_one(supporter, ann, long_history):
    counts = []
    for user in (ann, long_history):
        with CaptureQueriesContext(connection) as asked:
            supporter.get(user_url(user.pk, "timeline"))
        counts.append(len(asked))
    assert counts[1] <= counts[0] + 1
    assert counts[1] <= 12


def test_what_staff_did_is_found_by_its_own_index(sven, ann):
    for number in range(50):
        change_email(ann, sven, number)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # with so few rows PostgreSQL would read the whole table
    (stream,) = streams_by(sven)
    assert "event_by_actor" in stream.rows.order_by("-at", "-pk")[:51].explain()
