"""`App`: an application that is a client of this installation."""

from datetime import timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from users.limits import LONGEST_SESSION
from users.models.fields import ObjectIdField, SessionEpochField

_LONGEST = MaxValueValidator(LONGEST_SESSION, f"Choose at most {LONGEST_SESSION.days} days.")


class Access(models.TextChoices):
    """How far an app reaches that asks with its key, as a service. These values are stored: add, never rename."""

    NONE = "none", "nothing"
    OWN = "own", "its own sessions"
    ALL = "all", "the sessions of all apps"


def _access(help_text: str) -> Any:
    return models.CharField(
        max_length=10, choices=Access.choices, default=Access.NONE, db_default=Access.NONE, help_text=help_text
    )


class App(models.Model):
    """A client of this installation. It has its own key and its own sessions.

    All apps of an installation share one user directory.
    """

    class Kind(models.TextChoices):
        """How clients prove that a session is theirs. These values are stored: add, never rename."""

        CLIENT = "client", "client, by tokens"
        ADMIN = "admin", "the admin, by a cookie"
        ACCOUNT = "account", "the account page, by a cookie"

    id = ObjectIdField()
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(
        max_length=10, choices=Kind.choices, default=Kind.CLIENT, db_default=Kind.CLIENT, editable=False
    )
    key_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the app key. Empty: the app has no key."
    )
    sealed_secret = models.TextField(
        blank=True, editable=False, help_text="Shared secret, encrypted. Empty: clients don't sign requests."
    )
    # The key and the secret before the last rotation. They are accepted until then, by the database's clock.
    previous_key_hash = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    previous_sealed_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.BooleanField(default=True, help_text="Off: every token of this app is refused.")
    session_epoch = SessionEpochField()
    sessions_valid_after = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Sessions opened at or before this time are refused.",
    )
    # Empty: the default from the settings applies.
    session_lifetime = models.DurationField(
        null=True,
        blank=True,
        validators=[MinValueValidator(timedelta(minutes=1)), _LONGEST],
        help_text="Time from log-in until a session ends, at most 3650 days. Empty: SESSION_LIFETIME.",
    )
    idle_timeout = models.DurationField(
        null=True,
        blank=True,
        validators=[MinValueValidator(timedelta(0)), _LONGEST],
        help_text="A session that is not used for this long ends. 0: never. At most 3650 days. "
        "Empty: SESSION_IDLE_TIMEOUT.",
    )
    sessions_per_user = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Most sessions of one user. Another one ends the oldest. 0: no limit. Empty: SESSIONS_PER_USER.",
    )
    # A key inside an app on phones is public. So only an app whose key stays on servers gets access.
    token_access = _access("Whose tokens it may check, and whose sessions it may end.")
    push_access = _access("Whose device tokens it may ask for, to send pushes.")
    event_access = _access("Whose ended sessions it is told about.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(kind="admin"), name="app_one_admin"),
            models.UniqueConstraint(fields=["kind"], condition=Q(kind="account"), name="app_one_account"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_service(self) -> bool:
        """Whether it may ask about sessions with its key. Then its key must not be in the hands of clients."""
        return any(access != Access.NONE for access in (self.token_access, self.push_access, self.event_access))

    @property
    def is_client(self) -> bool:
        """Whether its sessions are those of clients, and not of the service's own pages."""
        return self.kind == self.Kind.CLIENT

    @property
    def is_admin(self) -> bool:
        """Whether this app holds the admin's sessions. A browser proves such a session by a cookie."""
        return self.kind == self.Kind.ADMIN

    @property
    def is_account(self) -> bool:
        """Whether this app holds the sessions of the account page. A browser proves them by a cookie, too."""
        return self.kind == self.Kind.ACCOUNT

    @property
    def uses_cookies(self) -> bool:
        """Whether browsers prove the sessions of this app by a cookie. No token is accepted for them."""
        return self.kind != self.Kind.CLIENT
