"""The state between the two steps of a log-in to the admin: the password was right, and a code has yet to come.

The browser keeps it in a cookie of its own, which we sign. It is not a log-in and opens no page. It expires after some
minutes, by the database's clock. It is worth nothing after a change of the password, an order that logs the user out
everywhere, or a change of the second factor. Nothing is stored in the database.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from users.clock import database_now
from users.models import User
from users.permissions import is_acting_staff
from users.second_factor.enabling import has_factor

COOKIE = "second_step"
GOOD_FOR = timedelta(minutes=10)
_SALT = "sessions.second_step"  # another salt than that of any other signed text, so none can replace another


def remember(response: HttpResponse, user: User) -> None:
    """Set the cookie in ``response``: ``user`` has typed the right password in this browser now."""
    text = signing.dumps([user.pk, database_now().timestamp(), _state_of(user)], salt=_SALT)
    response.set_cookie(
        COOKIE,
        text,
        max_age=GOOD_FOR,
        path=reverse("admin:login"),
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Strict",
    )


def find_user(request: HttpRequest) -> User | None:
    """Return the user whose password was right in this browser a few minutes ago and who has still to show a code."""
    try:
        user_id, at, state = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=user_id).first()
    if user is None or not is_acting_staff(user) or not has_factor(user) or state != _state_of(user):
        return None
    age = database_now().timestamp() - at
    return user if age <= GOOD_FOR.total_seconds() else None


def forget(response: HttpResponse) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, path=reverse("admin:login"), samesite="Strict")


def _state_of(user: User) -> list[str]:
    """Return what must not change between the steps."""
    return [str(user.password_changed_at), str(user.second_factor_since), str(user.session_epoch)]
