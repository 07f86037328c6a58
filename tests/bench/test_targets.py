"""How a run is judged: by the median of the ratios of its rounds."""

import pytest

from bench.__main__ import exit_code
from bench.calibration import best_threads
from bench.results import Results
from bench.targets import verdicts
from tests.bench.figures import everybody, parts, results

READ = {"plain simplejwt": parts(1.0, 2.0, 4.0)}


def read(zap: list, buddy: list) -> Results:
    return results(workloads={"read": {"ZapAuth, ZAP": zap, "ZapAuth, Buddy": buddy} | READ})


def test_a_ratio_is_the_median_of_each_rounds_own():
    found = read(parts(0.5, 1.2, 1.6), parts(0.5, 0.5, 0.5)).ratio("read", "ZapAuth, ZAP", "plain simplejwt")
    assert (found.least, found.median, found.most) == pytest.approx((0.4, 0.5, 0.6))


def test_a_run_that_keeps_every_target_exits_with_0(capsys):
    assert exit_code(verdicts(read(parts(0.55, 1.1, 2.2), parts(0.5, 1.0, 2.0)))) == 0
    assert capsys.readouterr().err == ""


def test_a_missed_target_makes_exit_code_1_and_is_named(capsys):
    assert exit_code(verdicts(read(parts(0.5, 1.0, 2.0), parts(0.7, 1.4, 2.8)))) == 1
    said = capsys.readouterr().err
    assert "MISSED read: ZapAuth, Buddy to plain simplejwt" in said
    assert "0.70" in said
    assert "ZapAuth, ZAP" not in said


def test_one_slow_round_misses_no_target():
    assert exit_code(verdicts(read(parts(5.0, 1.0, 2.0), parts(0.5, 1.0, 2.0)))) == 0


def test_a_logouts_database_part_is_held_against_the_single_update(capsys):
    logout = {name: parts(1.0, database_ms=0.5) for name in ("ZapAuth, ZAP", "ZapAuth, Buddy")}
    workloads = {"logout": logout | {"knox": parts(2.0)}}
    assert exit_code(verdicts(results(workloads=workloads, floors={"UPDATE": [0.125]}))) == 0
    assert exit_code(verdicts(results(workloads=workloads, floors={"UPDATE": [0.1]}))) == 1
    assert "database, to a single-row UPDATE" in capsys.readouterr().err


def test_a_token_accepted_too_long_after_the_order_misses_the_target(capsys):
    assert exit_code(verdicts(results(everybody={1_000_000: everybody(last_accepted_ms=99.0)}))) == 0
    assert exit_code(verdicts(results(everybody={1_000_000: everybody(last_accepted_ms=101.0)}))) == 1
    assert "MISSED everybody: last token accepted" in capsys.readouterr().err


def test_memory_that_grows_in_the_second_half_misses_the_target(capsys):
    steady = {10_000: 80.0, 50_000: 100.0, 100_000: 100.5}
    assert exit_code(verdicts(results(memory_mb=steady))) == 0
    assert exit_code(verdicts(results(memory_mb=steady | {100_000: 100.6}))) == 1
    assert "growth after 50,000" in capsys.readouterr().err


def test_a_login_that_costs_more_than_one_and_a_half_of_simplejwts_misses_the_target(capsys):
    cheap = {"ZapAuth, ZAP": parts(3.0), "ZapAuth, Buddy": parts(3.0), "plain simplejwt": parts(2.0)}
    assert exit_code(verdicts(results(workloads={"login": cheap}))) == 0
    assert exit_code(verdicts(results(workloads={"login": cheap | {"ZapAuth, Buddy": parts(3.1)}}))) == 1
    assert "MISSED login: ZapAuth, Buddy to plain simplejwt" in capsys.readouterr().err


def test_the_targets_hold_over_tcp_only():
    missed = {"read": {"ZapAuth, ZAP": parts(9, 9, 9), "ZapAuth, Buddy": parts(9, 9, 9)} | READ}
    assert not all(each.is_met for each in verdicts(results(workloads=missed)))
    assert verdicts(results(workloads=missed, over="Unix sockets")) == []


def test_each_database_is_measured_with_the_threads_that_took_the_least_cpu():
    calibration = {"plain simplejwt": {1: [1.0, 1.1, 9.0], 8: [1.2, 1.2, 1.2]}, "knox": {1: [2.0], 8: [1.0]}}
    assert best_threads(calibration) == {"baseline_plain_simplejwt": 1, "baseline_knox": 8}


def test_what_was_not_measured_is_not_judged():
    assert verdicts(results()) == []


def test_a_gate_that_costs_more_than_a_read_or_is_slow_at_half_load_misses_the_target(capsys):
    gate = {"ZapAuth, ZAP": parts(1.0), "ZapAuth, gate": parts(1.05)}
    assert exit_code(verdicts(results(workloads={"gate": gate}, gate_p99_ms=[20.0]))) == 0
    assert exit_code(verdicts(results(workloads={"gate": gate | {"ZapAuth, gate": parts(1.1)}}))) == 1
    assert "MISSED gate: ZapAuth, gate to ZapAuth, ZAP" in capsys.readouterr().err
    assert exit_code(verdicts(results(workloads={"gate": gate}, gate_p99_ms=[5.0, 21.0, 30.0]))) == 1
    assert "MISSED gate: p99 at half load" in capsys.readouterr().err
