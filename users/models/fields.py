"""Public ids, and the counter that refuses sessions."""

import re
import secrets
from typing import Any

from django.db import models

_OBJECT_ID = re.compile("[0-9a-f]{24}")


def new_object_id() -> str:
    """Make a public id: 24 random lowercase hex digits. It can't be guessed from other ids."""
    return secrets.token_hex(12)


def is_object_id(text: str) -> bool:
    """Return whether ``text`` has the form of a public id. Check this before sending the text to the database."""
    return _OBJECT_ID.fullmatch(text) is not None


class ObjectIdField(models.CharField):  # type: ignore[type-arg]  # generic for mypy only
    """Primary key of the objects that clients name: an opaque string of 24 lowercase hex digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options | {"primary_key": True, "max_length": 24, "default": new_object_id, "editable": False}
        )


class SessionEpochField(models.PositiveBigIntegerField):  # type: ignore[type-arg]  # generic for mypy only
    """A counter of the orders to refuse every session of an app or a user.

    A session stores the epoch of its app and user when it is opened. It is refused when either epoch has changed
    since. One row write therefore refuses all sessions, without comparing times. A trigger keeps an epoch from
    getting smaller.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"default": 0, "db_default": 0, "editable": False})
