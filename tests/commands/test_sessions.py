"""`manage.py sessions`: lists and counts for people and for programs."""

import json
import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from sessions.liveness import live_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import EndReason, Session
from tests.commands.records import everything
from tests.commands.terminal import at_a_terminal, manage, shell
from tests.phones import InProcess, ZapPhone
from users.models import User


def users_in(done):
    return [facts["user"] for facts in done.json]


def test_a_program_reads_one_json_object_for_each_session(ann):
    (facts,) = manage("sessions --json").json
    session = Session.objects.get()
    times = {name: facts.pop(name) for name in ("createdAt", "lastSeenAt", "expiresAt")}
    assert all(time.endswith("Z") for time in times.values())
    assert facts == {
        "session": str(session.pk),
        "user": "ann",
        "userId": ann.user_id,
        "app": "ZAP",
        "platform": None,
        "device": None,
        "ip": "127.0.0.1",
        "country": None,
        "city": None,
        "judgement": None,
        "userAgent": "",
        "refusal": None,
        "endedAt": None,
        "reason": None,
        "endedBy": None,
        "run": None,
    }
    ann.log_out()
    (facts,) = manage("sessions --json").json
    assert (facts["refusal"], facts["reason"], facts["endedBy"]) == ("session_ended", "logout", ann.user_id)
    assert facts["endedAt"]


def test_live_are_those_whose_tokens_are_accepted_and_ended_those_that_ended(ann, ben):
    late = ZapPhone(InProcess()).sign_up("late")
    Session.objects.filter(user=late.user_id).update(expires_at=timezone.now())
    ben.log_out()
    assert users_in(manage("sessions --json --live --app ZAP")) == ["ann"]
    assert users_in(manage("sessions --json --ended")) == ["ben"]
    # The session has timed out and no sweep has ended it: it is neither live nor ended.
    assert (late.me().status, manage("sessions --count --user late").out) == (401, "1\n")
    for state in ("--live", "--ended"):
        assert manage(f"sessions --count --user late {state}").out == "0\n"
    assert "session_expired" in manage("sessions --user late").out


@pytest.mark.parametrize(
    ("filters", "whom"),
    [
        ("--user ben", ["ben"]),
        ("--email ann@example.org", ["ann"]),
        ("--app ZAP", ["ann"]),
        ("--platform ANDROID", ["ben", None]),
        ("--device-token 'push of ann'", ["ann"]),
        ("--ip 127.0.0.0/8", ["ben", None, "ann"]),
        ("--ip 192.0.2.0/24", []),
        ("--idle-for 1h", []),
        ("--created-before 2020-01-01", []),
        ("--everyone", ["ben", None, "ann"]),
        ("", ["ben", None, "ann"]),
    ],
)
def test_the_filters_are_those_of_logout_and_the_newest_come_first(ann, ben, filters, whom):
    assert users_in(manage(f"sessions --json {filters}")) == whom
    assert manage(f"sessions --count {filters}").out == f"{len(whom)}\n"
    assert manage(f"sessions --count --json {filters}").json == [{"count": len(whom)}]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--limit -1", "'-1' is not a number of sessions"),
        ("--limit many", "'many' is not a number of sessions"),
        ("--limit ''", "'' is not a number of sessions"),
        ("--live --ended", "not allowed with argument"),
        ("--user nobody", "there is no user 'nobody'"),
        ("--from-file ''", "can't be read"),
        ("--device-token-file ''", "can't be read"),
        ("--app ''", "there is no app ''"),
        ("--session 0190b5ea", "--session: '0190b5ea' is not the id of a session."),
        (f"--session {UUID(int=0)}", f"--session: there is no session '{UUID(int=0)}'."),
        ("--everyone --user ann", "--everyone can't be combined with another filter"),
        ("--idle-for 0d", "'0d' is not between"),
    ],
)
def test_a_wrong_option_exits_with_code_2_and_lists_nothing(ann, arguments, text):
    done = manage(f"sessions {arguments}")
    assert (done.code, done.out) == (2, "")
    assert text in done.err.splitlines()[-1]


def test_listing_changes_nothing(ann, ben):
    before = everything()
    for how in ("", "--json", "--count", "--live", "--ended"):
        assert manage(f"sessions {how}").code == 0
    assert everything() == before


def test_a_table_says_that_there_are_more_and_none_is_cut_off(ann):
    for _ in range(2):
        ZapPhone(InProcess()).log_in("ann")
    newest = [facts["session"] for facts in manage("sessions --json").json]
    done = manage("sessions --limit 2")
    assert [pk in done.out for pk in newest] == [True, True, False]
    assert "These are the newest 2. There are more" in done.out
    assert "There are more" not in manage("sessions --limit 3").out
    assert [facts["session"] for facts in manage("sessions --limit 2 --json").json] == newest[:2]


@pytest.fixture
def wide(transactional_db):
    """The id of a session whose texts are all long."""
    phone = ZapPhone(InProcess()).sign_up("somebody_with_a_name")
    long = {"platform": "Windows Phone", "ip": "2001:db8:1234:5678:9abc:def0:1234:5678"}
    Session.objects.filter(user=phone.user_id).update(**long)
    phone.log_out()
    return str(Session.objects.get().pk)


@pytest.mark.parametrize("columns", [40, 80, 100, 160, 250])
def test_on_a_narrow_terminal_ids_stay_whole_and_left_out_columns_are_named(wide, columns):
    with at_a_terminal("sessions", columns=columns) as terminal:
        assert terminal.finish() == 0
    screen = re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)
    assert wide in screen
    *table, last = screen.splitlines()
    assert all(len(line) <= max(columns, 60) for line in table)
    assert ("created" in screen.partition(wide)[0]) is (columns == 250)
    assert last.startswith("The terminal is too narrow for: ") is (columns < 250)


def test_in_a_pipe_each_session_is_one_whole_line(wide):
    User.objects.create_user("x" * 150)
    (line,) = [line for line in shell("manage sessions | cat").out.splitlines() if wide in line]
    for words in ("somebody_with_a_name", "Windows Phone", "2001:db8:1234:5678:9abc:def0:1234:5678", "logout, "):
        assert words in line


def test_sessions_are_chosen_by_their_ids(ann, ben):
    ids = {session.user_id: str(session.pk) for session in Session.objects.all()}
    assert users_in(manage(f"sessions --json --session {ids[ann.user_id]}")) == ["ann"]
    both = f"--session {ids[ann.user_id]} --session {ids[ben.user_id].upper()}"
    assert users_in(manage(f"sessions --json {both}")) == ["ben", "ann"]
    assert users_in(manage(f"sessions --json {both} --app ZAP")) == ["ann"]


def test_a_table_without_a_limit_holds_no_more_than_fits(db, monkeypatch):
    monkeypatch.setattr("sessions.management.commands.sessions.MOST_IN_TABLE", 10)
    for batch in (make_users(5), make_sessions(30, users=5)):
        list(batch)
    done = manage("sessions --limit 0")
    assert "These are the newest 10. There are more" in done.out
    assert len(manage("sessions --limit 0 --json").json) == 30


def test_texts_from_clients_neither_break_the_table_nor_control_the_terminal(ben):
    Session.objects.filter(user=ben.user_id).update(platform="[/red]\x1b[2J:smile:")
    done = manage("sessions --user ben")
    assert done.code == 0
    assert "[/red]\N{REPLACEMENT CHARACTER}[2J:smile:" in done.out
    assert "\x1b" not in done.out
    assert "\x1b" not in manage("sessions --user ben --json").out


def test_what_it_calls_live_after_a_cut_off_is_what_the_service_accepts(ann, ben):
    now = timezone.now()
    Session.objects.filter(user=ann.user_id).update(created_at=now - timedelta(minutes=1))
    manage("logout --everyone --reason Leak --dry-run")
    before = live_sessions(Session.objects.all(), now=now).count()
    assert manage("sessions --live --count").out == f"{before}\n"
    assert manage("logout --everyone --reason Leak").code == 0
    assert manage("sessions --live --count").out == "0\n"
    ended = manage("sessions --ended --json").json
    assert {facts["reason"] for facts in ended} == {EndReason.OPERATOR}
    assert len({facts["run"] for facts in ended}) == 1


def test_a_closed_pipe_causes_no_traceback(transactional_db):
    for batch in (make_users(50), make_sessions(3000, users=50)):
        list(batch)
    for how in ("--json", ""):
        done = shell(f"manage sessions --limit 0 {how} | head -1")
        # the command may write the whole table before the reader closes the pipe; then its exit code is 0
        assert (done.code, done.err) in ([(141, "")] if how else [(141, ""), (0, "")])
    assert json.loads(shell("manage sessions --limit 0 --json | head -1").out)["user"]
    assert shell("manage sessions --limit 0 --json | wc -l").out.strip() == "3000"
