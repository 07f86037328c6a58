"""Links in mails that work once. Whoever has such a link can read the user's mail.

A link's token has 256 random bits, so it can't be guessed: neither the requests nor the digests need a limit. A link
lives for seven days. Looking at it changes nothing, because programs that scan mail for viruses open every link.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from users.clock import DatabaseNow, database_now
from users.database_use import serve
from users.errors import LinkInvalid
from users.models import OneUseLink, User

LIFETIME = timedelta(days=7)
Purpose = OneUseLink.Purpose
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def make_link(
    user: User,
    *,
    purpose: Purpose,
    address: str,
    session_id: UUID | None = None,
    about: Sequence[str] = (),
    ip: str | None = None,
) -> str:
    """Make a link and return its token, which is not stored.

    Args:
        user: as they were when the mail was caused.
        address: the email that it will be mailed to.
        session_id: the session that the mail tells about.
        about: the changes of the account that the mail tells about.
        ip: where they came from.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = database_now()
    OneUseLink.objects.create(
        digest=_digest(token),
        user=user,
        purpose=purpose,
        session_id=session_id,
        about=list(about),
        ip=ip,
        address=address,
        is_verified=user.email_verified and (user.email or "").upper() == address.upper(),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    return token


def find_link(token: str, purpose: Purpose) -> OneUseLink | None:
    """Return the link with its user, or None if it is unknown, used or expired, or its user was deleted."""
    if not _TOKEN.fullmatch(token):
        return None
    links = _live().select_related("user").filter(purpose=purpose, user__deleted_at=None)
    link = links.filter(digest=_digest(token)).first()
    if link is not None:
        serve(link.user_id)
    return link


def links_of(user: User) -> QuerySet[OneUseLink]:
    """Return the user's links that have neither expired nor been used, newest first."""
    return _live().filter(user=user, user__deleted_at=None).order_by("-pk")


def use_link(link: OneUseLink) -> None:
    """Delete the link in the open transaction, which has locked the user's row.

    Raises: LinkInvalid, when another request has used it meanwhile, or it has expired.
    """
    # Compare and set: if two requests use the same link, one of them deletes it.
    if not _live().filter(pk=link.pk).delete()[0]:
        raise LinkInvalid


def forget_links(
    user_id: str, *, purpose: Purpose | None = None, address: str | None = None, besides: Collection[UUID] = ()
) -> None:
    """Delete the user's links: all, or only those for ``purpose``, or only those that were mailed to ``address``.

    Args: besides: sessions. The links of mails about them stay.
    """
    links = OneUseLink.objects.filter(user=user_id)
    if purpose is not None:
        links = links.filter(purpose=purpose)
    if address is not None:
        links = links.filter(address__iexact=address)
    if besides:
        links = links.filter(~Q(session_id__in=besides) | Q(session_id=None))
    links.delete()


def forget_all_links() -> None:
    """Delete the links of all users."""
    OneUseLink.objects.all().delete()


def _live() -> QuerySet[OneUseLink]:
    return OneUseLink.objects.filter(expires_at__gt=DatabaseNow())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
