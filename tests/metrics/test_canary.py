"""The canary's figures: a canary that measures nothing does not look like one that is well."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from zapauth.canary.errors import CannotMeasure
from zapauth.canary.figures import AGE, Figures
from zapauth.canary.lines import Lines
from zapauth.canary.round import Measured, Result, Rounds
from zapauth.canary.watcher import Seen

SEEN = Seen("read", "worker 1", 0.0, 200)
GOOD, LATE = Measured("zap", -0.01, SEEN, 100), Measured("buddy", 0.2, SEEN, 100)


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    registry.register(AGE)
    before = AGE.every
    yield registry
    AGE.begin(before)


def rounds_in(registry):
    outcomes = ("ok", "broken", "unknown")
    return [registry.get_sample_value("zapauth_canary_rounds_total", {"outcome": outcome}) for outcome in outcomes]


def age_in(registry):
    return registry.get_sample_value("zapauth_canary_age_seconds")


def test_each_round_counts_once_and_only_a_measurement_ends_the_silence(registry, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("zapauth.canary.figures.time", SimpleNamespace(monotonic=lambda: now[0]))
    figures = Figures.declare(registry)
    AGE.begin(60.0)
    assert (rounds_in(registry), age_in(registry)) == ([0, 0, 0], 0)
    for result, rounds, age in (
        (Result([GOOD, GOOD]), [1, 0, 0], 0),
        (Result([GOOD], "a worker answers too slowly"), [1, 0, 1], 60),
        (Result([], "the database does not answer"), [1, 0, 2], 120),
        (Result([LATE], "the canary's sessions can't be deleted"), [1, 1, 2], 0),
    ):
        now[0] += 60
        figures.add(result)
        assert (rounds_in(registry), age_in(registry)) == (rounds, age)
    assert registry.get_sample_value("zapauth_revoke_to_refusal_seconds_count") == 4


def test_a_canary_that_is_off_has_no_age_and_says_so(registry):
    AGE.begin(0.0)
    assert age_in(registry) is None
    assert registry.get_sample_value("zapauth_canary_every_seconds") == 0


@pytest.mark.parametrize("error", [CannotMeasure("no worker"), RuntimeError("a bug")])
def test_whatever_fails_in_a_round_is_a_round_that_could_not_be_measured(db, monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(Lines, "complete", fail)
    result = Rounds(Lines(["http://127.0.0.1:1"])).run_one()
    assert (bool(result.problem), result.is_broken, "a bug" in result.problem) == (True, False, False)


def test_a_bug_in_the_cleaning_up_does_not_hide_what_was_measured(db, monkeypatch, caplog):
    monkeypatch.setattr(Lines, "complete", lambda _: None)
    monkeypatch.setattr(Rounds, "_measure", lambda *_: LATE)
    monkeypatch.setattr("zapauth.canary.round.forget_canaries", lambda _: 1 / 0)
    assert Rounds(Lines([])).run_one().is_broken
    assert "ZeroDivisionError" in caplog.text
