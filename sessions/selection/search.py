"""The search box of the admin's list of sessions."""

from uuid import UUID

from django.db.models import Q

from sessions.models import Session
from sessions.selection.errors import SelectionError
from sessions.selection.networks import within
from sessions.selection.values import find_named
from users.addresses import plain_network
from users.finding import called, ids_called
from users.models import Device, DeviceToken, User, is_object_id
from users.permissions import Act, may

# A condition that no session satisfies.
NOTHING = Q(pk__in=())
# An id that no user has.
_NOBODY = "0" * 24


def matching(text: str) -> Q:
    """Return the condition on sessions for the text in the search box.

    It may be a session's id, an IP address or a network, the id of a user or a device, a device token, or what
    `users.finding` finds: a part of a user's names, user name or email, or a phone number. Each of them has an index,
    so the search is fast with a million sessions.

    Names and tokens are resolved to ids first: an OR of subqueries would make PostgreSQL scan every session.
    """
    text = text.strip()
    if not text or "\0" in text:
        return NOTHING
    condition = key_in(text)
    if condition is not None:
        return condition
    users = ids_called(text)
    # If many users match, PostgreSQL soon finds enough sessions for the first page.
    return Q(user__in=users if users is not None else User.objects.filter(called(text)).values("pk"))


def key_in(text: str) -> Q | None:
    """Return the condition on sessions if ``text`` is an id, an address, a network or a device token. None: a name."""
    token = DeviceToken.objects.filter(digest=DeviceToken.digest_of(text)).values_list("pk", flat=True).first()
    if token is not None:
        return Q(device_token=token)
    if (session := _uuid(text)) is not None:
        return Q(pk=session)
    if (network := _network(text)) is not None:
        return within(network)
    if is_object_id(text):
        return Q(device=text) if Device.objects.filter(pk=text).exists() else Q(user=text)
    return None


def session_in(text: str) -> UUID | None:
    """Return the id of the session that ``text`` names, live or ended. None if there is no such session."""
    session = _uuid(text)
    return session if session is not None and Session.objects.filter(pk=session).exists() else None


def search_of(actor: User, text: str) -> str:
    """Return the search that ``actor`` may do when they type ``text``.

    Staff who may not see users would learn emails and phone numbers letter by letter. They find users by the whole
    user name only, which the list shows. It is replaced by the user's id, so that "all that match" means the same.
    """
    text = text.strip()
    if not text or "\0" in text or may(actor, Act.SEE_USER) or key_in(text) is not None:
        return text
    named = User.objects.filter(username__iexact=User.normalize_username(text), deleted_at=None)
    return named.values_list("pk", flat=True).first() or _NOBODY


def value_of(actor: User, parameter: str, text: str) -> str:
    """Return the value that ``actor`` gives to a parameter of the list when they type ``text``.

    Staff who may not see users would learn whose email it is. They name users as in `search_of`.

    Raises: SelectionError, if they name nobody.
    """
    if parameter != "user" or may(actor, Act.SEE_USER):
        return text
    user = find_named(text.strip())
    if user is None:
        raise SelectionError(f"there is no user {text[:50]!r}.")
    return str(user.pk)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _network(text: str) -> str | None:
    try:
        return plain_network(text, strict=False)
    except ValueError:
        return None
