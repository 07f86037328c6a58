"""Write a run's tables into docs/performance.md, which has one place for TCP and one for Unix sockets."""

from bench.results import Results
from bench.serving import ROOT
from bench.tables import tables
from bench.targets import verdicts

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by make bench over {over} -->", "<!-- end -->"


def write_report(results: Results) -> None:
    """Replace the text between the markers of docs/performance.md."""
    made = tables(results, verdicts(results))
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), made, over=results.over))


def with_tables(text: str, made: str, *, over: str = "TCP") -> str:
    """Put ``made`` into ``text``, in the place for that connection. Raises: ValueError, if there is no such place."""
    return put_after(BEGIN.format(over=over), text, made)


def put_after(marker: str, text: str, made: str) -> str:
    """Replace the part of ``text`` from ``marker`` to the next `END` by ``made``. Raises: ValueError without them."""
    before, begin, rest = text.partition(marker)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables: {marker} … {END}")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"
