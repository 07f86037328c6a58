"""A changed password ends its user's sessions, whoever changes it: who had the old one may have a token, too."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import QuerySet

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from users.models import User


@contextmanager
def password_change(users: QuerySet[User], *, actor: User | None, origin: Origin | None = None) -> Iterator[None]:
    """Wrap what may set the passwords of ``users``: with those that it sets, their sessions end.

    One transaction: the password is not changed without the sessions being ended, nor the other way.
    """
    with transaction.atomic():
        before = dict(users.values_list("pk", "password"))
        yield
        after = User.objects.filter(pk__in=before).values_list("pk", "password")
        changed = [pk for pk, password in after if password != before[pk]]
        sessions = Session.objects.filter(user__in=changed)
        end_sessions(sessions, actor=actor, reason=EndReason.PASSWORD_CHANGED, origin=origin)
