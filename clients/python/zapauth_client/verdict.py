"""What the gate says about a live token."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

Level = Literal["user", "app"]
_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Verdict:
    """A token that passes, and whose it is. It holds for one request: don't keep it.

    Args:
        user_id: 24 hexadecimal digits; None with an app-level token.
        session_id: a UUID, the claim `sid`.
        role: of the user, if there is one.
        expires_at: of the token. Its session can end before.
        is_checked: False if the token was only verified by its signature. Then a logged-out token passes.
    """

    user_id: str | None
    session_id: str
    app_id: str
    level: Level
    role: str | None
    expires_at: datetime
    is_checked: bool = True


def verdict_in(body: bytes) -> Verdict:
    """Read the gate's answer: `{"subject", "extra": {"sid", "app", "level", "role", "expires_at"}}`.

    Raises: ValueError, if anything is missing or has another form.
    """
    try:
        given = json.loads(body)
        subject, extra = _id(given["subject"]), given["extra"]
        level, role = extra["level"], extra["role"]
        if level not in ("user", "app") or not (role is None or isinstance(role, str)):
            raise ValueError("no level or role")
        expires_at = datetime.fromisoformat(extra["expires_at"])
        if expires_at.tzinfo is None:
            raise ValueError("a time without a zone")
        return Verdict(
            user_id=subject if level == "user" else None,
            session_id=str(UUID(extra["sid"])),
            app_id=_id(extra["app"]),
            level=cast(Level, level),
            role=role,
            expires_at=expires_at,
            is_checked=extra.get("checked", True) is True,
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not an answer of the gate") from error


def _id(value: Any) -> str:
    if not (isinstance(value, str) and _ID.fullmatch(value)):
        raise ValueError("no id")
    return value
