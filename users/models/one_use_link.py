"""`OneUseLink`: a link that was mailed to a user."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from users.models.user import User


class OneUseLink(models.Model):
    """A link that was mailed to a user, and that works once. Only its digest is stored.

    Only `users.one_use_links` writes it. `manage.py prune` deletes expired rows.
    """

    class Purpose(models.TextChoices):
        NOT_ME = "not_me", "say that it was somebody else"
        INVITATION = "invitation", "accept an invitation"

    # SHA-256 of the token. A token has 256 random bits, so it needs no slow hash.
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    session_id = models.UUIDField(null=True, help_text="The session that the mail tells about.")
    about = ArrayField(
        models.CharField(max_length=20), default=list, help_text="The changes of the account that the mail tells about."
    )
    ip = models.GenericIPAddressField(null=True, help_text="Where the changes came from.")
    address = models.EmailField(max_length=320, help_text="The email that it was mailed to.")
    is_verified = models.BooleanField(default=False, help_text="Whether that email was the user's verified one.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link of {self.user_id} to {self.get_purpose_display()}"  # the digest is not shown
