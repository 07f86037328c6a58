"""Lists that commands read from files or from standard input: names of users, and secrets that `ps` must not show."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from sessions.bulk.selection import SelectionError
from users.models import DeviceToken

STDIN = "-"
# The longest list in a file. A longer one is a mistake (a dump, a log), or wants to be split.
MOST_LINES = 250_000
LONGEST_LINE = 200_000  # longer than csv's longest field, so that it says so

_HEADERS = {"user", "username", "user name", "user_name", "id", "user id", "user_id", "email", "identity"}


def names_in(paths: list[str] | None, option: str) -> list[str] | None:
    """The first column of each file, without blanks and a header that names itself. Raises: SelectionError."""
    return None if paths is None else [name for path in paths for name in _names_of(path, option)]


def tokens_in(paths: list[str] | None, option: str) -> list[str]:
    """The lines of each file that are not empty, without the blanks around them. Raises: SelectionError."""
    return [token for path in paths or () for token in _tokens_of(path, option)]


def _names_of(path: str, option: str) -> list[str]:
    with _lines_of(path, option) as lines:
        first = (row[0].strip() for row in csv.reader(lines) if row)
        names = list(islice(filter(None, first), MOST_LINES + 1))
    _check_number(names, path, option)
    if names and names[0].lower() in _HEADERS:
        del names[0]
    if not names:
        raise SelectionError(f"{option}: {path} names nobody.")
    return names


def _tokens_of(path: str, option: str) -> list[str]:
    # No CSV: a token may have a comma or a quotation mark in it.
    with _lines_of(path, option) as lines:
        tokens = list(islice(filter(None, (line.strip() for line in lines)), MOST_LINES + 1))
    _check_number(tokens, path, option)
    if not tokens:
        raise SelectionError(f"{option}: {path} has no device token in it.")
    if max(map(len, tokens)) > DeviceToken.MAX_LENGTH:
        raise SelectionError(f"{option}: {path} has a line that is too long for a device token.")
    return tokens


@contextmanager
def _lines_of(path: str, option: str) -> Iterator[Iterator[str]]:
    """The lines of that file. Raises: SelectionError, also for what goes wrong while they are read."""
    is_stdin = path == STDIN
    try:
        # Opened anew: with the marks that Excel puts in front, and without closing the one that there is.
        source = sys.stdin.fileno() if is_stdin else path
        with open(source, newline="", encoding="utf-8-sig", closefd=not is_stdin) as file:
            # By lines that end, be the file none of text and endless.
            yield iter(lambda: file.readline(LONGEST_LINE), "")
    except (OSError, UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise SelectionError(f"{option}: {path} can't be read: {error}") from error


def _check_number(lines: list[str], path: str, option: str) -> None:
    if len(lines) > MOST_LINES:
        raise SelectionError(f"{option}: {path} has more than {MOST_LINES} lines; split it.")
