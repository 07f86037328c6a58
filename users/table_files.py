"""Files of rows for people and machines: CSV for a spreadsheet, and JSON Lines."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from io import StringIO
from tempfile import TemporaryFile
from typing import IO, Any

from users.clock import database_now

# The formats of files, and their content types.
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
# A spreadsheet takes a text that begins with one of these characters for a formula (OWASP, CSV injection). The last
# ones are wide forms of the first ones.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it, Excel does not read UTF-8


def lines_of(
    rows: Iterable[dict[str, Any]], *, columns: Iterable[str], format: str, text: Callable[[Any], str] = str
) -> Iterator[bytes]:
    """Yield the lines of a file, a line for each row.

    Args:
        rows: each with all ``columns``, in their order. Their values are values of JSON.
        format: a key of `FORMATS`.
        text: turns a value into the text of a CSV cell.
    """
    if format == "jsonl":
        for row in rows:
            yield json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n"
        return
    yield _BYTE_ORDER_MARK
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line("" if cell in (None, "") else safe_cell(text(cell)) for cell in row.values())


def file_of(lines: Iterable[bytes]) -> IO[bytes]:
    """Write the lines to a file on the disk and return it, open at its beginning.

    So the memory stays flat, and nobody gets half a file: if a line can't be made, there is an error and no file.
    """
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115  # the caller closes it; it has no name, so nothing is left behind
    try:
        file.writelines(lines)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def safe_cell(text: str) -> str:
    """Return the text of a CSV cell. A text that looks like a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def time_text(at: datetime) -> str:
    """Return the time in UTC, such as `2026-11-22T06:15:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def download_headers(name: str, format: str) -> dict[str, str]:
    """Return the headers of a file that a browser saves and no cache keeps. ``name``: ASCII, without an ending."""
    filename = f"{name}-{database_now():%Y-%m-%d}.{format}"
    return {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}


def _csv_line(cells: Iterable[str]) -> bytes:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode(errors="replace")
