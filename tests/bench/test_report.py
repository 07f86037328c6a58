import pytest

from bench.report import BEGIN, DOCUMENT, END, with_tables
from bench.results import Results
from bench.tables import tables
from bench.targets import verdicts
from tests.bench.figures import everybody, parts, results


def whole_run() -> Results:
    return results(
        workloads={
            "read": {"ZapAuth, ZAP": parts(0.5), "ZapAuth, Buddy": parts(0.7), "plain simplejwt": parts(1.0)},
            "gate": {"ZapAuth, ZAP": parts(0.5), "ZapAuth, gate": parts(0.4)},
        },
        calibration={"plain simplejwt": {1: [1.0], 32: [1.2]}, "ZapAuth, ZAP": {1: [0.6], 32: [0.5]}},
        gate_p99_ms=[7.0],
        drivers={"libpq's calls": [60.0], "psycopg's cursor": [100.0]},
        floors={"SELECT": [0.02], "UPDATE": [0.1]},
        sizes={1_000: parts(0.5), 1_000_000: parts(0.6)},
        everybody={1_000_000: everybody()},
        start_s=[2.0],
        memory_mb={50_000: 99.0, 100_000: 99.0},
    )


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    whole_run().write(tmp_path / "run.json")
    assert Results.read(tmp_path / "run.json") == whole_run()


def test_the_tables_have_each_ratio_and_say_what_was_missed():
    text = tables(whole_run(), verdicts(whole_run()))
    assert "0.50 (0.50-0.50)" in text
    (buddys,) = [line for line in text.splitlines() if line.startswith("| read: ZapAuth, Buddy")]
    assert "MISSED" in buddys
    (at_a_million,) = [line for line in text.splitlines() if line.startswith("| 1,000,000")]
    assert "1.20 (1.20-1.20)" in at_a_million


def test_a_table_without_other_projects_compares_zapauths_with_its_first():
    lines = tables(whole_run(), []).splitlines()
    head = next(line for line in lines if "ZapAuth, gate to it" in line)
    read, gate = lines[lines.index(head) + 2 : lines.index(head) + 4]
    assert read.endswith("| 0.80 (0.80-0.80)    |")
    assert gate.rstrip("| ").endswith("90")
    assert "At half of its requests/s, the gate's p99 is 7.0 (7.0-7.0) ms." in lines


def test_the_tables_say_what_each_number_of_threads_costs_and_which_one_is_used():
    text = tables(whole_run(), [])
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()]
    assert ["plain simplejwt", "1.000", "1.200", "1"] in rows
    assert ["ZapAuth, ZAP", "0.600", "0.500", "32"] in rows


def test_only_what_is_between_the_markers_is_written_anew():
    begin = BEGIN.format(over="TCP")
    first = with_tables(f"above\n{begin}\nold\n{END}\nbelow\n", "new")
    assert first == f"above\n{begin}\n\nnew\n\n{END}\nbelow\n"
    assert with_tables(first, "new") == first


def test_the_document_has_a_place_for_tcp_and_one_for_unix_sockets():
    both = with_tables(with_tables(DOCUMENT.read_text(), "new tables"), "other tables", over="Unix sockets")
    assert "new tables" in both
    assert "other tables" in both


def test_a_document_without_a_place_is_refused():
    with pytest.raises(ValueError, match="no place"):
        with_tables("nothing here", "tables")
