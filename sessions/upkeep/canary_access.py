"""Keep the canary's account closed: nobody logs in with it, and it has no powers.

Nobody can change it now. But an earlier version let staff do so, and a backup of that time may be restored: then the
account may have a password, and no page of the admin could take it away.
"""

import logging

from sessions.passwords import password_change
from users.canary import CANARY_ID
from users.clock import database_now
from users.models import User
from users.one_use_links import forget_links
from users.record.changes import RECORDED, powers_of, record_powers, record_user_changes
from users.reset_codes import forget_code
from users.transactions import in_transaction

logger = logging.getLogger("zapauth.canary")

_CLOSED = {
    "email": None,
    "new_email": None,
    "email_verified": False,
    "phone_number": None,
    "role_id": None,
    "is_staff": False,
    "is_superuser": False,
}


def close_canary() -> None:
    """Take away what lets somebody log in with the account or act with it. Their sessions end."""
    canary = User.objects.filter(pk=CANARY_ID).first()
    if canary is not None and _is_open(canary):
        _close()
        logger.error("the canary's account gave somebody access, and does not any more; the record says what it had")


def _is_open(user: User) -> bool:
    has_more = any(getattr(user, name) != value for name, value in _CLOSED.items())
    return has_more or user.has_usable_password() or any(powers_of(user).values())


@in_transaction
def _close() -> None:
    its = User.objects.filter(pk=CANARY_ID)
    user = its.select_for_update(no_key=True).get()
    old, powers = {name: getattr(user, name) for name in RECORDED}, powers_of(user)
    with password_change(its, actor=None):
        its.update(**_CLOSED, password="!", updated_at=database_now())  # noqa: S106  # no password matches it
        forget_code(CANARY_ID)
        forget_links(CANARY_ID)
        user.groups.clear()
        user.user_permissions.clear()
    record_user_changes(user, old, _CLOSED)
    record_powers(user, powers)
