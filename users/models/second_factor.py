"""A user's second factor: the secret of their authenticator app, and their recovery codes."""

from django.db import models

from users.models.user import User


class SecondFactor(models.Model):
    """The secret that a user's authenticator app makes codes from (TOTP, RFC 6238).

    The secret counts while `User.second_factor_since` is set. Before that, the user has still to confirm it with a
    code. Only `users.second_factor` writes this table.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    sealed_secret = models.BinaryField(editable=False, help_text="Encrypted with a key derived from SECRET_KEY.")
    # A code of this time step or an earlier one is refused, so that no code works twice (RFC 6238 §5.2).
    last_step = models.BigIntegerField(default=0, editable=False, help_text="The time step of the last code used.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"  # the secret itself is not shown


class RecoveryCode(models.Model):
    """A code that a user can use once in place of one from their app. It is deleted when it is used.

    Only `users.second_factor` writes this table.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False, related_name="+")
    # SHA-256 of the user's id and the code. A code has 120 random bits, so it needs no slow hash.
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
