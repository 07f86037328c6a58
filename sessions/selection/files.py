"""Read lists from files or from standard input: names of users, and secrets that no list of processes may show."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from sessions.selection.errors import SelectionError
from users.models import DeviceToken

STDIN = "-"
# A longer file is a mistake, such as a dump or a log, or should be split.
MOST_LINES = 250_000
LONGEST_LINE = 200_000  # longer than csv's limit for a field, so that csv reports the error

_HEADERS = {"user", "username", "user name", "user_name", "id", "user id", "user_id", "email", "identity"}


def names_of(path: str) -> list[str]:
    """Return the first column of the file, without empty lines and without a header. Raises: SelectionError."""
    with _lines_of(path) as lines:
        first = (row[0].strip() for row in csv.reader(lines) if row)
        names = list(islice(filter(None, first), MOST_LINES + 1))
    _check_number(names, path)
    if names and names[0].lower() in _HEADERS:
        del names[0]
    if not names:
        raise SelectionError(f"{path} names nobody.")
    return names


def tokens_of(path: str) -> list[str]:
    """Return the lines of the file, stripped, without empty ones. Raises: SelectionError."""
    # Not CSV: a token may contain a comma or a quotation mark.
    with _lines_of(path) as lines:
        tokens = list(islice(filter(None, (line.strip() for line in lines)), MOST_LINES + 1))
    _check_number(tokens, path)
    if not tokens:
        raise SelectionError(f"{path} has no device token in it.")
    if max(map(len, tokens)) > DeviceToken.MAX_LENGTH:
        raise SelectionError(f"{path} has a line that is too long for a device token.")
    return tokens


@contextmanager
def _lines_of(path: str) -> Iterator[Iterator[str]]:
    """Yield the lines of the file. Raises: SelectionError, also for an error while they are read."""
    is_stdin = path == STDIN
    try:
        # Standard input is opened again, to skip the byte order mark that Excel writes. It isn't closed.
        source = sys.stdin.fileno() if is_stdin else path
        with open(source, newline="", encoding="utf-8-sig", closefd=not is_stdin) as file:
            # The length of a line is limited: the file may be binary and endless.
            yield iter(lambda: file.readline(LONGEST_LINE), "")
    except (OSError, UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise SelectionError(f"{path} can't be read: {error}") from error


def _check_number(lines: list[str], path: str) -> None:
    if len(lines) > MOST_LINES:
        raise SelectionError(f"{path} has more than {MOST_LINES} lines; split it.")
