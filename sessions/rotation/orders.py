"""Carry out a step of a rotation: change the keys in their file, and record who ordered it."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from sessions.models import SigningKey
from sessions.rotation.ring import kids_in, with_in_front, with_new_key, without
from sessions.rotation.state import State, Step
from sessions.tokens.keys import new_private_key_pem
from users.clock import database_now
from users.record.events import Event
from users.record.writing import record


def keys_after(step: Step, pem: str, state: State) -> str:
    """Return the keys after the step, in PEM. `state` has them sorted into new and old ones. Raises: BadSigningKeys."""
    if step is Step.ADD:
        return with_new_key(pem)
    if step is Step.SIGN:
        return with_in_front(pem, state.new[-1])
    return without(pem, set(state.old))


@transaction.atomic
def change_keys(
    old: str, pem: str, *, step: Step, hand_over: Callable[[str], None], forced: bool, note: str, by: str
) -> None:
    """Give the new keys to ``hand_over``, and record the step. If either fails, the other does not happen.

    Also store the earlier keys, so that they count as older than a new one even if no server has reported them yet.

    Args: by: who called the command, as user@host.
    """
    _know(kids_in(old), since=database_now())
    event, kids = Event.SIGNING_KEYS_CHANGED, kids_in(pem)
    record(event, operator=by, step=step.value, keys=kids, forced=forced, note=note)
    hand_over(pem)


@transaction.atomic
def report_leak(pem: str, *, hand_over: Callable[[str], None], note: str, by: str) -> None:
    """Make a new key, give it to ``hand_over``, and report every earlier key as leaked.

    A server with a leaked key stops within some seconds, and none starts with it. The caller then ends all sessions.

    Args: pem: the keys of this environment, in PEM. All other keys that servers had count as leaked, too.
    """
    _know(kids_in(pem), since=None)
    found = SigningKey.objects.filter(leaked_at=None).order_by("pk").select_for_update(no_key=True)
    kids = list(found.values_list("pk", flat=True))
    SigningKey.objects.filter(pk__in=kids).update(leaked_at=database_now())
    new = new_private_key_pem()
    record(Event.SIGNING_KEYS_LEAKED, operator=by, leaked=kids, keys=kids_in(new), note=note)
    hand_over(new)


def _know(kids: list[str], *, since: datetime | None) -> None:
    rows = [SigningKey(kid=kid, published_at=since) for kid in sorted(kids)]
    SigningKey.objects.bulk_create(rows, ignore_conflicts=True)
