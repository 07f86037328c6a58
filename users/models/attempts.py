"""One-time codes, throttles, and counts of refused log-ins."""

from django.db import models

from users.models.user import User


class OneTimeCode(models.Model):
    """A code that was mailed to a user. A user has at most one for each purpose; a new code replaces it.

    Only `users.reset_codes` writes it. `manage.py prune` deletes expired rows.
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
    """How often something was tried recently.

    `users.throttling` writes it. `users.refused_logins` adds a row for each alarm. `manage.py prune` deletes old rows.
    """

    key = models.CharField(
        max_length=64,
        primary_key=True,
        help_text="Digest of the limit's name and its subject. No user name or address is stored.",
    )
    count = models.PositiveIntegerField()
    resets_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class RefusedLogin(models.Model):
    """How many attempts were refused in one hour for one reason. The users' identities are not stored.

    Only `users.refused_logins` writes it.
    """

    class Reason(models.TextChoices):
        UNKNOWN_USER = "unknown_user", "unknown user"
        WRONG_PASSWORD = "wrong_password", "wrong password"
        # Probably not an attack: a user mistyped their password at a known place.
        KNOWN_PLACE = "known_place", "wrong password or code, known place"
        WRONG_CODE = "wrong_code", "wrong reset code"
        SECOND_FACTOR = "second_factor", "wrong second factor"
        DISABLED = "disabled", "account disabled"
        TOO_MANY = "too_many", "too many attempts"

    hour = models.DateTimeField(help_text="The start of the hour.")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    count = models.PositiveBigIntegerField()

    class Meta:
        verbose_name, verbose_name_plural = "refused log-in", "refused log-ins"
        ordering = ["-hour", "reason"]
        constraints = [models.UniqueConstraint(fields=["hour", "reason"], name="refused_login_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}, {self.get_reason_display()}: {self.count}"
