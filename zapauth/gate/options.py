"""What a gateway asks for beside a live token: an app, a role, a user's token. The operator writes it into its URL.

A gateway that asks at a fixed URL has the options in the query: `/verify?app=ID&level=user`. A gateway that puts a
prefix before the client's own path has them in the first segment (RFC 3986 §3.3): `/verify;app=ID;level=user`. There
the query is the client's, and is ignored.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from users.models import is_object_id

_LONGEST = 2000  # characters
# The server decodes a path before we see it, so a `;` or `/` in a value would end the value or the segment.
_IN_PATH = re.compile(r"[A-Za-z0-9._~:@-]+")
_WORD = re.compile(r"[A-Za-z_-]{1,20}")  # so short and plain that it is no secret


class BadOptions(Exception):
    """The gateway asks for something that the gate can't check. The text says what, for the operator's log."""


@dataclass(frozen=True)
class Options:
    """What a token must have besides a live session. An empty set asks for nothing."""

    app_ids: frozenset[str] = frozenset()
    app_names: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    needs_user: bool = False

    @property
    def needs_app(self) -> bool:
        return bool(self.app_ids or self.app_names)


NO_OPTIONS = Options()


def options_of(path: str, query: str) -> Options:
    """Return what the gateway asks for. Raises: BadOptions.

    Args: path: decoded, begins with `/verify`. query: as it was sent.
    """
    first, _, below = path[1:].partition("/")
    _, semicolon, parameters = first.partition(";")
    if semicolon:
        return _parsed(parameters, True) if parameters else NO_OPTIONS
    # An operator may write `/verify/?app=…`, so this query counts, too.
    return _parsed(query, False) if query and not below else NO_OPTIONS


def _parsed(text: str, is_in_path: bool) -> Options:
    if len(text) > _LONGEST:
        raise BadOptions("its options are too long")
    return _remembered(text, is_in_path)


# Operators write a few different texts. Raised errors are not kept.
@lru_cache(maxsize=128)
def _remembered(text: str, is_in_path: bool) -> Options:
    apps, roles, levels = list[str](), list[str](), list[str]()
    among = {"app": apps, "role": roles, "level": levels}
    for name, value in _pairs_in_path(text) if is_in_path else _pairs_in_query(text):
        if name not in among:
            named = f"`{name}`" if _WORD.fullmatch(name) else "that can't be shown here"
            raise BadOptions(f"there is no option {named}")
        if not value:
            raise BadOptions(f"`{name}` is empty")
        among[name].append(value)
    if levels not in ([], ["user"]):
        raise BadOptions("`level` can only be `user`, once")
    if is_in_path and not all(map(is_object_id, apps)):
        raise BadOptions("in a path, `app` is the id of an app")
    # An app could have the id of another one as its name.
    ids = frozenset(filter(is_object_id, apps))
    return Options(ids, frozenset(apps) - ids, frozenset(roles), bool(levels))


def _pairs_in_query(text: str) -> Iterable[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise BadOptions("the query can't be read") from error


def _pairs_in_path(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(";"):
        name, is_pair, value = part.partition("=")
        if not is_pair or (value and not _IN_PATH.fullmatch(value)):
            raise BadOptions("an option in the path can't be read")
        yield name, value
