"""Record what staff change on accounts, in the admin's log table (`LogEntry`). Changes through the API are included."""

from collections.abc import Iterable

from django.contrib.admin.models import CHANGE, DELETION, LogEntry

from users.models import User


def record_change(user: User, *, actor: User, fields: Iterable[str]) -> None:
    """Record that ``actor`` changed these fields of ``user``. The values are not stored."""
    names = [field.replace("_", " ") for field in fields]
    _write(user, actor, CHANGE, [{"changed": {"fields": names}}])


def record_act(user: User, *, actor: User, text: str) -> None:
    """Record an act of ``actor`` on ``user``, described by ``text``."""
    _write(user, actor, CHANGE, text)


def record_deletion(user: User, *, actor: User) -> None:
    """Record that ``actor`` deleted ``user``."""
    _write(user, actor, DELETION, "")


def _write(user: User, actor: User, flag: int, message: str | list[dict[str, dict[str, list[str]]]]) -> None:
    LogEntry.objects.log_actions(
        user_id=actor.pk, queryset=[user], action_flag=flag, change_message=message, single_object=True
    )
