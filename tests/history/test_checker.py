"""The checker's own tests: each rule passes a good history, and finds a bad one that differs in one call or row."""

import sys
from dataclasses import replace

import pytest

from tests.history.checker import check
from tests.history.database import Database, RunRow, load, save
from tests.history.history import Ends, Measure, Outcome, line_of
from tests.history.history import read as read_lines
from tests.history.made import (
    ENDED,
    LIVE,
    address,
    away,
    call,
    database,
    history,
    login,
    logout,
    push_check,
    read,
)

UNKNOWN, REFUSED, DONE, ACCEPTED = Outcome.UNKNOWN, Outcome.REFUSED, Outcome.DONE, Outcome.ACCEPTED
UNAVAILABLE, ERROR = Outcome.UNAVAILABLE, Outcome.ERROR
LOGIN = login(0, 1)
AWAY = away(2, 4)


def found(*entries, rows: Database | None = None) -> list[tuple[int, str]]:
    return [(each.rule, each.text) for each in check(history(*entries), rows)]


def rules(*entries, rows: Database | None = None) -> list[int]:
    return [rule for rule, _ in found(*entries, rows=rows)]


# --- rule 1 -----------------------------------------------------------------------------------------

SCOPES = {
    "a logout": logout(2, 3),
    "a logout that was refused": logout(2, 3, REFUSED),
    "a read that was refused": read(2, 3, REFUSED),
    "an end by staff": call("staff_end", 2, 3, DONE, target="s1", ends=Ends.TARGET, user=None),
    "an end of all by staff": call("staff_end_user", 2, 3, DONE, ends=Ends.USER),
    "a logout of all": call("logout_all", 2, 3, DONE, session="s2", ends=Ends.USER),
    "a logout of the others": call("logout_others", 2, 3, DONE, session="s2", ends=Ends.OTHERS),
    "a logout with the push address": logout(2, 3, session="s2", device_token="phone", ends=Ends.ADDRESS),
    "a new password": call("change_password", 2, 3, DONE, session="s2", ends=Ends.OTHERS),
    "all refused from": call("bulk_refused", 2, 3, DONE, ends=Ends.EVERYONE, user=None, dialect=""),
}


@pytest.mark.parametrize("end", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("op", ["read", "refresh", "logout_all"])
def test_a_token_that_is_accepted_after_its_end_was_answered_is_found(end, op):
    before = login(0, 1, device_token="phone")
    late = call(op, 3.5, 4, ACCEPTED if op != "logout_all" else DONE, session="s1")
    (violation,) = check(history(before, end, late))
    assert violation.rule == 1
    assert violation.proof == (end, late)
    assert f"a {op} was accepted" in str(violation)
    assert "3.500-4.000 s" in str(violation)


@pytest.mark.parametrize("end", SCOPES.values(), ids=SCOPES)
def test_a_read_that_overlaps_the_end_may_be_accepted_and_one_after_it_refused(end):
    before = login(0, 1, device_token="phone")
    assert not found(before, end, read(2.9, 4), read(3.5, 4, REFUSED), read(3.5, None, UNKNOWN))


def test_an_end_that_was_not_answered_proves_nothing():
    assert not found(LOGIN, logout(2, None, UNKNOWN), AWAY, logout(2, 3, UNAVAILABLE), read(4, 5))


def test_an_order_leaves_sessions_alone_whose_log_in_was_not_answered_before_it_began():
    order = call("logout_all", 2, 3, DONE, session="s2", ends=Ends.USER)
    assert not found(login(0, 2.5), order, read(4, 5))


def test_a_logout_of_the_others_leaves_the_callers_own_session_and_other_users_alone():
    order = call("logout_others", 2, 3, DONE, session="s1", ends=Ends.OTHERS)
    assert not found(LOGIN, login(0, 1, "s3", user="ben"), order, read(4, 5), read(4, 5, session="s3", user="ben"))


def test_a_log_in_with_an_ended_app_level_token_or_a_replaced_password_is_found():
    registered = call("register", 0, 1, DONE, opened="app", user=None)
    order = call("bulk", 2, 3, DONE, ends=Ends.EVERYONE, user=None, dialect="")
    assert rules(registered, order, login(4, 5, session="app")) == [1]
    assert not found(registered, order, login(2.5, 5, session="app"))
    change = call("change_password", 2, 3, DONE, session="s1", token="old", brought="new")
    assert rules(LOGIN, change, login(4, 5, "s2", token="old")) == [1]
    assert not found(LOGIN, change, login(2.5, 5, "s2", token="old"), login(4, 5, "s3", token="new"))


# --- rule 2 -----------------------------------------------------------------------------------------


def test_an_answered_log_in_that_the_database_has_lost_is_found():
    assert not found(LOGIN, rows=database(LIVE))
    assert rules(LOGIN, rows=database()) == [2]
    assert rules(LOGIN, rows=database(replace(LIVE, user="ben"))) == [2]
    assert rules(LOGIN, rows=database(LIVE, logins={"another"})) == [2]


def test_an_answered_logout_that_the_database_has_lost_is_found():
    assert not found(LOGIN, logout(2, 3), rows=database(ENDED))
    assert rules(LOGIN, logout(2, 3), rows=database(LIVE)) == [2]
    other = logout(2, None, UNKNOWN, request="r2")
    assert rules(LOGIN, logout(2, 3), other, rows=database(replace(ENDED, request="r2"))) == [2]
    order = call("bulk", 2, 3, DONE, ends=Ends.EVERYONE, user=None, dialect="")
    assert rules(LOGIN, order, rows=database(LIVE)) == [2]
    assert not found(LOGIN, order, rows=database(replace(LIVE, is_cut_off=True)))


def test_an_unanswered_logout_is_whole_or_has_not_happened():
    unanswered = LOGIN, logout(2, None, UNKNOWN)
    assert not found(*unanswered, rows=database(LIVE))
    assert not found(*unanswered, rows=database(ENDED))
    for half in (
        {"blacklisted": set()},
        {"told": {"another"}},
    ):
        assert rules(*unanswered, rows=database(ENDED, **half)) == [2]
    for half in ({"ended_by": None}, {"reason": ""}):
        assert rules(*unanswered, rows=database(replace(ENDED, **half))) == [2]


def test_a_new_password_that_is_not_on_record_is_found():
    change = call("change_password", 2, 3, DONE, session="s1", ends=Ends.OTHERS)
    assert not found(LOGIN, change, rows=database(LIVE, password_changes={"ann": 1}))
    assert rules(LOGIN, change, change, rows=database(LIVE, password_changes={"ann": 1})) == [2]


def test_an_order_whose_count_differs_from_what_it_has_ended_is_found():
    swept = replace(ENDED, reason="operator", run="run1", request="", is_cut_off=True)
    whole = {"runs": [RunRow(id="run1", ended=1, is_finished=True)], "orders": {"run1"}}
    assert not found(rows=database(swept, **whole))
    assert rules(rows=database(swept, **whole | {"runs": [RunRow(id="run1", ended=0, is_finished=False)]})) == [2]
    assert rules(rows=database(swept, **whole | {"orders": set()})) == [2]
    # A later batch has put the count right.
    assert rules(rows=database(swept, **whole, miscounted=[RunRow(id="run1", ended=0, is_finished=False)])) == [2]


def test_an_end_by_staff_that_is_not_on_record_is_found():
    by_staff = replace(ENDED, reason="staff", ended_by="olga")
    assert not found(rows=database(by_staff))
    assert rules(rows=database(by_staff, acts=set())) == [2]
    assert not found(rows=database(replace(by_staff, run="run1"), acts=set()))


def test_a_refused_token_of_a_live_session_and_an_end_by_a_refused_call_are_found():
    assert rules(LOGIN, read(2, 3, REFUSED), rows=database(LIVE)) == [2]
    assert not found(LOGIN, read(2, 3, REFUSED), rows=database(replace(LIVE, is_cut_off=True)))
    assert rules(LOGIN, logout(2, 3, REFUSED), rows=database(ENDED)) == [2]
    assert rules(LOGIN, rows=database(ENDED)) == [2]
    reuse = call("refresh", 2, 3, REFUSED, session="s1", request="r2")
    assert not found(LOGIN, reuse, rows=database(replace(ENDED, reason="refresh_reused", ended_by=None, request="r2")))


# --- rule 3 -----------------------------------------------------------------------------------------


def test_two_logouts_of_one_session_that_are_answered_200_are_found():
    assert not found(LOGIN, logout(2, 4), logout(2, 4, REFUSED), logout(2, 4, REFUSED))
    assert rules(LOGIN, logout(2, 4), logout(2, 4)) == [3]
    from_another = call("logout_one", 2, 4, DONE, session="s2", target="s1", ends=Ends.TARGET)
    assert not found(LOGIN, logout(2, 4, REFUSED), from_another)
    assert rules(LOGIN, logout(2, 4), from_another) == [3]


def test_a_refresh_token_with_two_successors_is_found():
    def refresh(brought: str):
        return call("refresh", 2, 3, ACCEPTED, session="s1", token="t1", brought=brought)

    assert not found(LOGIN, refresh("t2"), refresh("t2"))
    assert rules(LOGIN, refresh("t2"), refresh("t3")) == [3]


BY_STAFF = replace(ENDED, reason="staff", ended_by="olga", request="")
LOOK = {"s1": ("2026-01-01", "staff", "", None)}


def test_a_session_that_ends_twice_or_lives_again_is_found():
    assert not found(rows=database(BY_STAFF, looks=[LOOK, LOOK]))
    assert rules(rows=database(replace(BY_STAFF, reason="operator"), looks=[LOOK])) == [3]
    assert rules(rows=database(LIVE, looks=[LOOK])) == [3]
    assert rules(rows=database(BY_STAFF, looks=[LOOK, {}, LOOK])) == [3]
    assert rules(rows=database(BY_STAFF, looks=[LOOK, {"s1": ("2026-01-02", "staff", "r2", None)}])) == [3]


ON_PHONE = login(0, 1, device_token="phone")
NOBODYS = database(ENDED, addresses=[address(user=None)])


def test_a_push_to_a_user_after_their_last_session_on_the_phone_is_found():
    assert not found(ON_PHONE, logout(2, 3), push_check(2.5, 4), push_check(4, 5, allowed=False), rows=NOBODYS)
    assert rules(ON_PHONE, logout(2, 3), push_check(4, 5), rows=NOBODYS) == [3]
    again = login(2.5, 3.5, "s2", device_token="phone")
    live = replace(LIVE, id="s2", refresh="t2")
    assert not found(ON_PHONE, logout(2, 3), again, push_check(4, 5), rows=database(ENDED, live))


def test_a_push_to_a_user_after_another_one_has_the_phone_is_found():
    other = login(2, 3, "s2", device_token="phone", user="ben")
    rows = database(LIVE, replace(LIVE, id="s2", refresh="t2", user="ben"))
    assert not found(ON_PHONE, other, push_check(2.5, 4), push_check(4, 5, user="ben"), rows=rows)
    assert rules(ON_PHONE, other, push_check(4, 5), rows=rows) == [3]
    overlapping = login(0.5, 3, "s2", device_token="phone", user="ben")
    assert not found(ON_PHONE, overlapping, push_check(4, 5), rows=rows)
    assert rules(push_check(4, 5), rows=rows) == [3]


def test_an_unanswered_log_in_explains_a_push_if_a_session_has_come_of_it():
    unanswered = login(2, None, None, device_token="phone")
    rows = database(ENDED, addresses=[address(user=None)])
    assert rules(ON_PHONE, logout(2, 3), unanswered, push_check(4, 5), rows=rows) == [3]
    rows = database(ENDED, replace(LIVE, id="s9", refresh="t9", address=1), addresses=[address(user=None)])
    assert not found(ON_PHONE, logout(2, 3), unanswered, push_check(4, 5), rows=rows)


def test_an_address_that_stays_with_an_ended_session_is_found():
    assert not found(rows=database(LIVE, addresses=[address(user="ann")]))
    assert rules(rows=database(BY_STAFF, addresses=[address(user="ann")])) == [3]
    assert rules(rows=database(LIVE, addresses=[address(user="ben")])) == [3]
    assert rules(rows=database(LIVE, addresses=[address(user="ann", held_by="s9")])) == [3]
    # A later log-in has taken it.
    assert rules(rows=database(LIVE, left_behind=[address(user="ann")])) == [3]


# --- files ------------------------------------------------------------------------------------------


def test_a_history_and_a_dump_can_be_written_and_read_again(tmp_path):
    made = history(ON_PHONE, logout(2, None, UNKNOWN), AWAY, Measure(at=5, process="a worker", pid=7, threads=3))
    assert read_lines(line_of(each) for each in made) == made
    rows = database(ENDED, LIVE, addresses=[address(user=None)], looks=[LOOK])
    rows.runs = [RunRow(id="run1", ended=0, is_finished=False)]
    save(rows, tmp_path / "database.json")
    assert load(tmp_path / "database.json") == rows


def test_the_check_of_a_long_history_is_linear():
    def replays(count: int) -> int:
        entries = []
        for number in range(count):
            at, session = number * 4, f"s{number}"
            entries += [
                login(at, at + 1, session, device_token=f"phone{number % 5}"),
                logout(at + 2, at + 3, session=session, request=session),
                read(at + 3.5, at + 3.7, REFUSED, session=session),
            ]
        steps = 0

        def count_steps(*_):
            nonlocal steps
            steps += 1
            return count_steps

        sys.settrace(count_steps)
        try:
            assert not check(history(*entries))
        finally:
            sys.settrace(None)
        return steps

    assert replays(800) < 2.2 * replays(400)
