"""Find the user that a user name, an email or a phone number belongs to."""

from django.db.models import Case, Q, When

from users.database_use import serve
from users.models import User

# Strangers may set the same new email, so very many users may have it.
MOST_TO_VERIFY = 10


def find_user_by_username(username: str) -> User | None:
    """Find the user with that name, in any case of letters. Deleted users are not found."""
    return _served(User.objects.filter(username__iexact=User.normalize_username(username), deleted_at=None).first())


def find_user_by_identity(identity: str) -> User | None:
    """Find the user with that email, phone number or user name.

    A verified email comes first, so that nobody else can get its owner's log-ins by choosing it as a user name. A user
    name comes next, so that nobody else can get them by setting it as an email or a phone number, unverified.

    `sessions.sql.places` does the same in SQL, for log-ins.
    """
    named, owned = _named(identity), _owned(identity)
    verified = Q(email__iexact=identity, email_verified=True)
    # One statement for every identity, so that the time it takes reveals nothing.
    found = User.objects.filter(named | owned, deleted_at=None)
    return _served(found.order_by(Case(When(verified, then=0), When(named, then=1), default=2)).first())


def find_users_to_verify(identity: str) -> list[User]:
    """Find the users who may want to verify their email, by that email, phone number or user name.

    Several users may have set the same new email. The first one to verify it gets it. The code shows which user
    is meant. The users who were changed last come first.
    """
    waiting = Q(new_email__iexact=identity) | _owned(identity) | _named(identity)
    found = User.objects.filter(waiting, deleted_at=None, is_active=True)
    return list(found.order_by("-updated_at")[:MOST_TO_VERIFY])


def is_phone_number(identity: str) -> bool:
    """Return whether ``identity`` can only be a phone number or a user name, because it is no email."""
    return identity.startswith("+")


def _served(user: User | None) -> User | None:
    # The caller may next wait for a lock on this user's rows.
    if user is not None:
        serve(user.pk)
    return user


def _named(identity: str) -> Q:
    return Q(username__iexact=User.normalize_username(identity))


def _owned(identity: str) -> Q:
    return Q(phone_number=identity) if is_phone_number(identity) else Q(email__iexact=identity)
