"""A run's tables, written into docs/performance.md."""

from bench.results import Results
from bench.serving import ROOT
from bench.tables import tables
from bench.targets import verdicts

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- made by make bench -->", "<!-- end -->"


def write_report(results: Results) -> None:
    """Into docs/performance.md; only what is between its markers changes."""
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), tables(results, verdicts(results))))


def with_tables(text: str, made: str) -> str:
    """Raises: ValueError, when ``text`` has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no place for the tables: {BEGIN} … {END}")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"
