"""How a user comes to be."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from users.errors import IdentityTaken, RegistrationClosed
from users.models import User


def register_user(*, username: str, password: str, by_staff: bool = False, **fields: Any) -> User:
    """Create a user; the database decides who was first, so two at once can't both win.

    Raises: IdentityTaken, when the user name, email or phone number is another user's;
        RegistrationClosed, when settings leave it to staff.
    """
    if not (settings.REGISTRATION_OPEN or by_staff):
        raise RegistrationClosed
    try:
        with transaction.atomic():
            return User.objects.create_user(username, password, **fields)
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
        if constraint.startswith("user_") and constraint.endswith("_taken"):
            raise IdentityTaken(constraint.removeprefix("user_").removesuffix("_taken")) from error
        raise
