"""The state between the two steps of a log-in to our pages: the password was right, and a code has yet to come.

The browser keeps it in a cookie of its own, which we sign. It is not a log-in and opens no page. It expires after some
minutes, by the database's clock. It is worth nothing after a change of the password, an order that logs the user out
everywhere, or a change of the second factor. Nothing is stored in the database.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from users.clock import database_now
from users.models import User
from users.permissions import is_acting_staff
from users.second_factor.enabling import has_factor

GOOD_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class SecondStep:
    """The second step of the log-in to one page.

    Args:
        login_url: the name of the URL of the log-in. The browser sends the cookie to that page and those below it.
        salt: another one than that of any other signed text, so that none can replace another.
    """

    cookie: str
    login_url: str
    salt: str
    is_for_staff: bool

    def remember(self, response: HttpResponse, user: User) -> None:
        """Set the cookie in ``response``: ``user`` has typed the right password in this browser now."""
        text = signing.dumps([user.pk, database_now().timestamp(), _state_of(user)], salt=self.salt)
        response.set_cookie(
            self.cookie,
            text,
            max_age=GOOD_FOR,
            path=reverse(self.login_url),
            secure=bool(settings.SESSION_COOKIE_SECURE),
            httponly=True,
            samesite="Strict",
        )

    def find_user(self, request: HttpRequest) -> User | None:
        """Return the user whose password was right in this browser a few minutes ago and who has yet to show a code."""
        try:
            user_id, at, state = signing.loads(request.COOKIES.get(self.cookie, ""), salt=self.salt)
        except signing.BadSignature:
            return None
        user = User.objects.filter(pk=user_id, is_active=True, deleted_at=None).first()
        if user is None or not has_factor(user) or state != _state_of(user):
            return None
        if self.is_for_staff and not is_acting_staff(user):
            return None
        age = database_now().timestamp() - at
        return user if age <= GOOD_FOR.total_seconds() else None

    def forget(self, response: HttpResponse) -> None:
        """Delete the cookie."""
        response.delete_cookie(self.cookie, path=reverse(self.login_url), samesite="Strict")


IN_ADMIN = SecondStep("second_step", "admin:login", "sessions.second_step", is_for_staff=True)
IN_ACCOUNT = SecondStep("account_step", "account:login", "sessions.second_step.account", is_for_staff=False)


def _state_of(user: User) -> list[str]:
    """Return what must not change between the steps."""
    return [str(user.password_changed_at), str(user.second_factor_since), str(user.session_epoch)]
