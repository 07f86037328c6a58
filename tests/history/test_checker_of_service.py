"""The checker's own tests of rules 4 and 5: errors, service after an outage, and growth."""

from tests.history.checker import check
from tests.history.history import Measure, Outcome
from tests.history.made import SECOND, away, history, login, read
from tests.history.rules import growth

UNKNOWN, ACCEPTED, UNAVAILABLE, ERROR = Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.UNAVAILABLE, Outcome.ERROR
LOGIN, AWAY = login(0, 1), away(2, 4)


def found(*entries) -> list[tuple[int, str]]:
    return [(each.rule, each.text) for each in check(history(*entries))]


def rules(*entries) -> list[int]:
    return [rule for rule, _ in found(*entries)]


# --- rule 4 -----------------------------------------------------------------------------------------


def test_an_error_while_nothing_disturbs_the_database_is_found():
    refused = read(3, 3.5, UNAVAILABLE)
    assert not found(LOGIN, AWAY, refused)
    assert rules(LOGIN, refused) == [4]
    assert rules(LOGIN, away(2, 4, disturbs="clock"), refused) == [4]
    assert rules(LOGIN, away(0, 0.5), refused) == [4]
    assert not found(LOGIN, away(0, 0.5, slowest_probe=0.1), refused)


def test_an_error_without_its_envelope_or_other_than_503_is_found():
    assert rules(LOGIN, AWAY, read(3, 3.5, UNAVAILABLE, is_proper=False)) == [4]
    assert rules(LOGIN, AWAY, read(3, 3.5, ERROR, status=500)) == [4]


def test_a_worker_that_refuses_too_long_after_the_return_is_found():
    late = read(6.5, 6.6, UNAVAILABLE, worker=7)
    assert found(LOGIN, AWAY, late)[0] == (4, "a request was answered 503 while nothing disturbed the database")
    assert (4, "a worker still refuses after the database's return") in found(LOGIN, AWAY, late)
    # Another outage has begun meanwhile.
    assert not found(LOGIN, AWAY, away(6.2, 7), late)
    # The machine itself was late.
    assert not found(LOGIN, away(2, 4, slowest_probe=0.1), late)
    assert not found(LOGIN, AWAY, away(6.1, 6.7, disturbs="machine"), late)


def test_a_request_that_fails_after_the_first_good_one_is_found():
    def answers(*statuses: Outcome, worker: int = 7):
        return [read(4.1 + n / 10, 4.15 + n / 10, each, worker=worker) for n, each in enumerate(statuses)]

    assert not found(LOGIN, AWAY, *answers(UNAVAILABLE, UNAVAILABLE, ACCEPTED, ACCEPTED))
    assert not found(LOGIN, AWAY, *answers(ACCEPTED), *answers(UNAVAILABLE, UNAVAILABLE, worker=8))
    assert rules(LOGIN, AWAY, *answers(UNAVAILABLE, ACCEPTED, UNAVAILABLE)) == [4]


def test_a_request_without_an_answer_while_nothing_is_disturbed_is_found():
    silent = read(3, None, UNKNOWN, note="timed out")
    assert rules(LOGIN, silent) == [4]
    assert not found(LOGIN, away(2, 4, disturbs="process"), silent)


# --- rule 5 -----------------------------------------------------------------------------------------


def measures(**late: int) -> list[Measure]:
    usual = {"threads": 40, "connections": 30, "memory": 90 * 2**20}
    return [
        Measure(at=at * SECOND, process="worker of a", **(usual | late if at > 300 else usual))
        for at in range(0, 600, 5)
    ]


def test_growth_of_threads_connections_or_memory_is_found():
    assert not found(*measures())
    assert not found(*measures(threads=42, memory=110 * 2**20))
    for late in ({"threads": 60}, {"connections": 80}, {"memory": 200 * 2**20}):
        assert rules(*measures(**late)) == [5]


def test_a_new_process_beside_one_that_grows_does_not_hide_it():
    new = Measure(at=598 * SECOND, process="worker of a", pid=9, threads=1)
    assert rules(*measures(threads=60), new) == [5]
    assert not found(Measure(at=61 * SECOND, process="worker of a", pid=9, threads=1), *measures())


def test_a_short_run_says_nothing_about_growth():
    assert not growth.grown(history(*measures(threads=60)[:30]))
