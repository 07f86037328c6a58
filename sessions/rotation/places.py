"""Where the signing keys are: a file of their own, or the line `SIGNING_KEYS=` in a file of environment variables."""

import os
import re
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sessions.rotation.ring import in_one_line, kids_in
from sessions.tokens.keys import BadSigningKeys

_LINE = re.compile(r"^(?P<before>[ \t]*(?:export[ \t]+)?SIGNING_KEYS=)(?P<value>.*?)[ \t]*$", re.MULTILINE)


class PlaceError(Exception):
    """The keys can't be changed there. The text says why, and never contains a part of a key."""


@dataclass(frozen=True)
class Place:
    """A file that can be changed.

    Args:
        path: the file.
        as_line: whether the file has environment variables. Otherwise it contains only the keys.
    """

    path: Path
    as_line: bool

    def replace(self, old: str, new: str) -> None:
        """Replace the keys ``old``, which this process uses, by ``new``, both in PEM, atomically.

        Raises: PlaceError, also if the file has other keys than ``old``.
        """
        try:
            path = self.path.resolve(strict=True)
            text = path.read_text()
            changed = self._with(text, old, new)
            _write(path, changed, group_may_read=self.as_line)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise PlaceError(f"{self.path} can't be changed: {why}.") from error

    def _with(self, text: str, old: str, new: str) -> str:
        if not self.as_line:
            self._check_same(text, old)
            return new
        lines = list(_LINE.finditer(text))
        if len(lines) != 1:
            raise PlaceError(f"{self.path} has {len(lines) or 'no'} lines SIGNING_KEYS=… It must have one.")
        (line,) = lines
        self._check_same(_unquoted(line["value"]), old)
        return f"{text[: line.start()]}{line['before']}'{in_one_line(new)}'{text[line.end() :]}"

    def _check_same(self, found: str, old: str) -> None:
        try:
            is_same = kids_in(found) == kids_in(old)
        except BadSigningKeys as error:
            hint = " Write all keys in one line, with \\n for each newline." if self.as_line else ""
            raise PlaceError(f"The keys in {self.path} can't be used: {error}.{hint}") from error
        if not is_same:
            raise PlaceError(
                f"{self.path} has other keys than SIGNING_KEYS here. Load the file again, and repeat the command."
            )


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _write(path: Path, text: str, *, group_may_read: bool) -> None:
    """Replace the file atomically. Its owner stays, and only the owner may read it. Raises: OSError.

    Args: group_may_read: whether a group that may read the file keeps this right, because the server may need it.
    """
    before = path.stat()
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp sets mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            _keep_owner(file.fileno(), before)
            kept = stat.S_IMODE(before.st_mode) & stat.S_IRGRP if group_may_read else 0
            os.fchmod(file.fileno(), 0o600 | kept)
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
    _with_folder(path.parent, os.fsync)


def _keep_owner(handle: int, before: os.stat_result) -> None:
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(handle, before.st_uid, before.st_gid)


def _with_folder(folder: Path, act: Callable[[int], None]) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        act(handle)
    finally:
        os.close(handle)
