"""The search box of the admin's list of sessions."""

from uuid import UUID

from django.db.models import Q

from sessions.selection.networks import within
from users.addresses import plain_network
from users.models import Device, DeviceToken, User, is_object_id

# A condition that no session satisfies.
NOTHING = Q(pk__in=())
# If more users than this match, a subquery finds their sessions.
MOST_BY_ID = 1000


def matching(text: str) -> Q:
    """Return the condition on sessions for the text in the search box.

    It may be a user's name, email, phone number or id, a session's id, an IP address or a network, a device's id, or a
    device token. Each of them has an index, so the search is fast with a million sessions.

    Names and tokens are resolved to ids first: an OR of subqueries would make PostgreSQL scan every session.
    """
    text, condition = text.strip(), NOTHING
    if not text or "\0" in text:
        return condition
    token = DeviceToken.objects.filter(digest=DeviceToken.digest_of(text)).values_list("pk", flat=True).first()
    if token is not None:
        condition |= Q(device_token=token)
    if (session := _uuid(text)) is not None:
        return condition | Q(pk=session)
    if (network := _network(text)) is not None:
        return condition | within(network)
    if is_object_id(text):
        return condition | (Q(device=text) if Device.objects.filter(pk=text).exists() else Q(user=text))
    return condition | _of_named(text)


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


def _of_named(text: str) -> Q:
    """Return the sessions of users whose name or email begins with ``text``, or who have that phone number."""
    named = Q(username__istartswith=text) | Q(email__istartswith=text) | Q(phone_number=text)
    users = User.objects.filter(named).values_list("pk", flat=True)
    found = list(users[: MOST_BY_ID + 1])
    if len(found) > MOST_BY_ID:  # many sessions match, so PostgreSQL soon finds enough for the first page
        return Q(user__in=users)
    return Q(user__in=found)
