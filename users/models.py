"""Users, apps, devices and device tokens: the nouns that sessions are about.

Nothing here knows of sessions; `sessions` points at these models, never the other way.
"""

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.contrib.auth.models import BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from users.permissions import is_acting_staff
from users.rehash import RehashingUser
from users.sealing import Purpose, seal

_OBJECT_ID = re.compile("[0-9a-f]{24}")


def new_object_id() -> str:
    """A fresh public id: 24 lowercase hex digits, random, so that no id tells of another."""
    return secrets.token_hex(12)


def is_object_id(text: str) -> bool:
    """Whether ``text`` can be a public id; what can't is not fit for the database, either."""
    return _OBJECT_ID.fullmatch(text) is not None


class ObjectIdField(models.CharField):  # type: ignore[type-arg]  # generic for mypy only
    """Primary key of what clients name: an opaque string of 24 lowercase hex digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options | {"primary_key": True, "max_length": 24, "default": new_object_id, "editable": False}
        )


class SessionEpochField(models.PositiveBigIntegerField):  # type: ignore[type-arg]  # generic for mypy only
    """Counts the orders to refuse every session of an app or a user.

    A session carries the epoch that it was opened under and is refused under any other. One row write
    refuses them all, and no clock takes part. The database lets an epoch only grow.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"default": 0, "db_default": 0, "editable": False})


class App(models.Model):
    """A client of this installation, with its own key and its own sessions.

    An installation is one user directory: every app sees the same users.
    """

    class Kind(models.TextChoices):
        """How the app's sessions are used. Stored: add, never rename."""

        CLIENT = "client", "client, by tokens"
        ADMIN = "admin", "the admin, by a cookie"

    id = ObjectIdField()
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(
        max_length=10, choices=Kind.choices, default=Kind.CLIENT, db_default=Kind.CLIENT, editable=False
    )
    key_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the app key; empty: no key opens this app."
    )
    sealed_secret = models.TextField(
        blank=True, editable=False, help_text="Shared secret, encrypted; empty: requests are not signed."
    )
    is_active = models.BooleanField(default=True, help_text="Off: every token of this app is refused.")
    session_epoch = SessionEpochField()
    sessions_valid_after = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Sessions opened at or before this instant are refused: an order about a past instant.",
    )
    # Empty: as the settings say for all apps.
    session_lifetime = models.DurationField(
        null=True,
        blank=True,
        validators=[MinValueValidator(timedelta(minutes=1))],
        help_text="A session ends that long after the login. Empty: SESSION_LIFETIME.",
    )
    idle_timeout = models.DurationField(
        null=True,
        blank=True,
        validators=[MinValueValidator(timedelta(0))],
        help_text="A session ends when it is not used for that long; 0: never. Empty: SESSION_IDLE_TIMEOUT.",
    )
    sessions_per_user = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="One more ends the user's oldest session in this app; 0: no limit. Empty: SESSIONS_PER_USER.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind"], condition=Q(kind="admin"), name="app_one_admin")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_admin(self) -> bool:
        """Whether its sessions are those of staff in their browsers."""
        return self.kind == self.Kind.ADMIN


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """The user of that name, whatever its case; deleted users have given theirs up."""
        return self.get(username__iexact=username, deleted_at=None)

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        fields["email"] = fields.get("email") or None
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(username, password, **fields | {"is_staff": True, "is_superuser": True})


class User(RehashingUser, PermissionsMixin):
    """A person. `name`, `role_id` and `phone_number` are ZAP's words; gender, tag and the like are Buddy's."""

    class Gender(models.TextChoices):
        MALE = "male"
        FEMALE = "female"

    id = ObjectIdField()
    username = models.CharField(max_length=150)
    # Absent is NULL, not "", so that the unique constraints leave the absent ones alone.
    email = models.EmailField(max_length=320, null=True, blank=True)
    phone_number = models.CharField(max_length=16, null=True, blank=True)
    email_verified = models.BooleanField(default=False)
    new_email = models.EmailField(
        max_length=320,
        null=True,
        blank=True,
        editable=False,
        help_text="Takes the place of the email when it is verified; until then it opens nothing.",
    )

    name = models.CharField(max_length=150, blank=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    gender = models.CharField(max_length=6, choices=Gender.choices, blank=True)
    date_of_birth = models.DateTimeField(null=True, blank=True)
    tag = models.TextField(blank=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    # Opaque. ZAP's documentation shows 24 hex digits; 64 characters also hold a UUID, a SHA-256 digest in hex
    # and every number that was stored when this was a number.
    role_id = models.CharField(max_length=64, null=True, blank=True)
    ip_addresses = ArrayField(
        models.CharField(max_length=45), default=list, blank=True, help_text="Where they logged in from, newest first."
    )
    user_agents = ArrayField(
        models.CharField(max_length=512), default=list, blank=True, help_text="What they logged in with, newest first."
    )

    is_staff = models.BooleanField(default=False, help_text="May log in to the admin.")
    is_active = models.BooleanField(default=True, help_text="Off: the account is disabled.")
    session_epoch = SessionEpochField()
    sessions_valid_after = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Sessions opened at or before this instant are refused: an order about a past instant.",
    )
    # Set by the database when `password` changes, unless the same password is only hashed anew.
    password_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    # What `createsuperuser` asks for; it may be left empty.
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        # A deleted user's name, email and phone number are free again.
        constraints = [
            # UPPER is what `iexact` compiles to, so these are its indexes, too.
            models.UniqueConstraint(Upper("username"), condition=Q(deleted_at=None), name="user_username_taken"),
            models.UniqueConstraint(Upper("email"), condition=Q(deleted_at=None), name="user_email_taken"),
            models.UniqueConstraint(
                fields=["phone_number"], condition=Q(deleted_at=None), name="user_phone_number_taken"
            ),
        ]
        indexes = [
            # The order of both dialects' lists.
            models.Index(F("created_at").desc(), F("id").desc(), condition=Q(deleted_at=None), name="user_newest"),
            models.Index(Upper("new_email"), condition=Q(new_email__isnull=False), name="user_new_email"),
        ]

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Whether they are staff and have that permission. Without `is_staff` a permission allows nothing."""
        return is_acting_staff(self) and super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether they are staff and have any permission in that app."""
        return is_acting_staff(self) and super().has_module_perms(app_label)

    @property
    def latest_email(self) -> str | None:
        """The address that was set last, verified or not. Clients see this one."""
        return self.new_email or self.email

    @property
    def is_latest_email_verified(self) -> bool:
        return self.email_verified and self.new_email is None

    def get_full_name(self) -> str:
        return self.name or f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.name or self.username


class Device(models.Model):
    """One installation of an app. Registering again with the same `unique_id` is the same device."""

    id = ObjectIdField()
    app = models.ForeignKey(App, on_delete=models.PROTECT)
    unique_id = models.CharField(max_length=255, null=True, blank=True)
    platform = models.CharField(max_length=100)
    model = models.CharField(max_length=512, blank=True)
    os_version = models.CharField(max_length=100, blank=True)
    app_version = models.CharField(max_length=100, blank=True)
    connection_type = models.CharField(max_length=100, blank=True)
    tag = models.TextField(blank=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    is_production = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "unique_id"], name="device_unique_id_per_app")]

    def __str__(self) -> str:
        return f"{self.platform} {self.model}".strip()


class CrashReport(models.Model):
    """What an app reported of a crash on a device. `users.crash_reports` alone writes it."""

    STACK_TRACE_LENGTH = 16_384
    MESSAGE_LENGTH = 2_000
    METHOD_NAME_LENGTH = 500

    device = models.ForeignKey(Device, on_delete=models.CASCADE, db_index=False, related_name="crash_reports")
    stack_trace = models.TextField(help_text=f"The first {STACK_TRACE_LENGTH:,} characters of it.")
    message = models.CharField(max_length=MESSAGE_LENGTH, blank=True)
    method_name = models.CharField(max_length=METHOD_NAME_LENGTH, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(F("device"), F("created_at").desc(), name="crash_report_of_device"),
            models.Index(fields=["created_at"], name="crash_report_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M:%S} UTC"


class DeviceToken(models.Model):
    """The push address (FCM registration token, APNs device token) of a device.

    It belongs to one user at a time, the last one who logged in with it, and with `user`
    NULL to nobody. It is stored sealed and found by its digest. To send pushes to a user, call
    `users.device_tokens.push_addresses_of`: no other function opens it.
    """

    MAX_LENGTH = 4096  # of the token in the clear

    sealed_token = models.BinaryField(help_text="Encrypted under a key that is derived from SECRET_KEY.")
    # Unique is the digest, for a B-tree entry holds 2.7 kB at most and a token may be longer. It has no key:
    # it must stay the same when SECRET_KEY changes, or one token could have two rows and two users.
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    # Indexed below, and only where there is one: a logout takes the user away, and writes every index anew.
    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="device_tokens"
    )
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="device_tokens"
    )
    # The session of `user` that brought it to them last. The end of an older one leaves it alone. No foreign key:
    # what is about users knows nothing of sessions.
    held_by = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["user"], condition=Q(user__isnull=False), name="device_token_of_user"),
            models.Index(fields=["device"], condition=Q(device__isnull=False), name="device_token_of_device"),
        ]

    def __str__(self) -> str:
        return f"device token {self.pk}"  # itself it is a secret

    @staticmethod
    def digest_of(token: str) -> bytes:
        return hashlib.sha256(token.encode()).digest()

    @classmethod
    def of(cls, token: str, **fields: Any) -> Self:
        """An unsaved row for ``token``, sealed."""
        return cls(sealed_token=seal(token, Purpose.DEVICE_TOKEN), digest=cls.digest_of(token), **fields)


class OneTimeCode(models.Model):
    """A code that was mailed to a user. Each user has one for each purpose: the newest.

    Only `users.reset_codes` reads and writes it.
    """

    class Purpose(models.TextChoices):
        RESET = "reset", "choose a new password"
        EMAIL = "email", "verify an email"

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "purpose"], name="one_time_code_per_purpose")]

    def __str__(self) -> str:
        return f"code of {self.user_id} to {self.get_purpose_display()}"


class Throttle(models.Model):
    """How often something was tried of late. `users.throttling` alone reads and writes it."""

    key = models.CharField(
        max_length=64, primary_key=True, help_text="Digest of what is limited and for whom: no name or address is kept."
    )
    count = models.PositiveIntegerField()
    resets_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class RefusedLogin(models.Model):
    """How many attempts were refused in an hour, for one reason. Whose they were is not kept.

    `users.refused_logins` alone writes it.
    """

    class Reason(models.TextChoices):
        UNKNOWN_USER = "unknown_user", "unknown user"
        WRONG_PASSWORD = "wrong_password", "wrong password"
        # Not an attack, as far as can be told: a user who mistypes at home.
        KNOWN_PLACE = "known_place", "wrong password or code, known place"
        WRONG_CODE = "wrong_code", "wrong reset code"
        DISABLED = "disabled", "account disabled"
        TOO_MANY = "too_many", "too many attempts"

    hour = models.DateTimeField(help_text="Its first moment.")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    count = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["-hour", "reason"]
        constraints = [models.UniqueConstraint(fields=["hour", "reason"], name="refused_login_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}, {self.get_reason_display()}: {self.count}"
