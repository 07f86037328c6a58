"""`User`: a person with an account."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from users.models.fields import ObjectIdField, SessionEpochField
from users.models.search_text import search_indexes
from users.permissions import is_acting_staff
from users.printable import validate_identity, validate_name
from users.rehash import RehashingUser

if TYPE_CHECKING:
    from users.login_attempts import Attempt
    from users.second_factor.codes import Kind


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with that name, in any case of letters. Deleted users are left out.

        Raises: User.DoesNotExist.
        """
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
    """A person with an account. ZAP uses `name`, `role_id` and `phone_number`; Buddy uses gender, tag and location."""

    class Gender(models.TextChoices):
        MALE = "male"
        FEMALE = "female"

    id = ObjectIdField()
    username = models.CharField(max_length=150, validators=[validate_identity])
    # A missing value is NULL, not "": unique constraints ignore NULL.
    email = models.EmailField(max_length=320, null=True, blank=True, validators=[validate_identity])
    phone_number = models.CharField(max_length=16, null=True, blank=True, validators=[validate_identity])
    email_verified = models.BooleanField(default=False)
    new_email = models.EmailField(
        max_length=320,
        null=True,
        blank=True,
        editable=False,
        help_text="Replaces the email once it is verified. Until then nobody can log in with it.",
    )

    name = models.CharField(max_length=150, blank=True, validators=[validate_name])
    first_name = models.CharField(max_length=150, blank=True, validators=[validate_name])
    last_name = models.CharField(max_length=150, blank=True, validators=[validate_name])
    gender = models.CharField(max_length=6, choices=Gender.choices, blank=True)
    date_of_birth = models.DateTimeField(null=True, blank=True)
    tag = models.TextField(blank=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    # An opaque id. ZAP's pages show 24 hex digits. 64 characters also hold a UUID or a SHA-256 digest in hex.
    role_id = models.CharField(max_length=64, null=True, blank=True)
    ip_addresses = ArrayField(
        models.CharField(max_length=45),
        default=list,
        blank=True,
        help_text="Addresses of the latest log-ins, newest first.",
    )
    user_agents = ArrayField(
        models.CharField(max_length=512),
        default=list,
        blank=True,
        help_text="User agents of the latest log-ins, newest first.",
    )

    is_staff = models.BooleanField(default=False, help_text="May log in to the admin.")
    is_active = models.BooleanField(default=True, help_text="Off: the account is disabled.")
    session_epoch = SessionEpochField()
    sessions_valid_after = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Sessions opened at or before this time are refused.",
    )
    # Set by a trigger when `password` changes, unless the same password is only hashed again.
    password_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Only `users.second_factor` sets it. A trigger keeps an older copy of the row from overwriting it.
    second_factor_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when a log-in needs a second factor.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # What the user has shown as their second factor in this request. It is not stored.
    shown_factor: "Kind | None" = None
    # The attempt that `users.login_attempts` has counted. The log-in takes it back. It is not stored.
    attempt: "Attempt | None" = None

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    # `createsuperuser` asks for it. It may stay empty.
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        # The name, email and phone number of a deleted user can be used again.
        constraints = [
            # Django compiles `iexact` to UPPER, so these indexes serve look-ups, too.
            models.UniqueConstraint(Upper("username"), condition=Q(deleted_at=None), name="user_username_taken"),
            models.UniqueConstraint(Upper("email"), condition=Q(deleted_at=None), name="user_email_taken"),
            models.UniqueConstraint(
                fields=["phone_number"], condition=Q(deleted_at=None), name="user_phone_number_taken"
            ),
        ]
        indexes = [
            # Both dialects and the admin list users in this order. The list of the admin shows deleted ones, too.
            models.Index(F("created_at").desc(), F("id").desc(), name="user_newest"),
            models.Index(Upper("new_email"), condition=Q(new_email__isnull=False), name="user_new_email"),
            *search_indexes(),
        ]
        permissions = [("export_lists", "Can export the lists of the admin")]

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return whether the user is active staff and has that permission. Others' permissions have no effect."""
        return is_acting_staff(self) and super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        """Return whether the user is active staff and has any permission in that Django app."""
        return is_acting_staff(self) and super().has_module_perms(app_label)

    @property
    def latest_email(self) -> str | None:
        """The email that was set last, verified or not. Clients see this one."""
        return self.new_email or self.email

    @property
    def is_latest_email_verified(self) -> bool:
        return self.email_verified and self.new_email is None

    def get_full_name(self) -> str:
        return self.name or f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.name or self.username
