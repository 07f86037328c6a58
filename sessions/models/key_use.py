"""Which signing keys the running servers use, and since when. `sessions.rotation` writes and reads these rows."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

KID_LENGTH = 43  # a SHA-256 thumbprint in base64url (RFC 7638)


class SigningKey(models.Model):
    """What is known about one key. Its text is not stored, only its name, the `kid`."""

    kid = models.CharField(primary_key=True, max_length=KID_LENGTH)
    published_at = models.DateTimeField(null=True, help_text="When a server had it for the first time.")
    signed_until = models.DateTimeField(null=True, help_text="No server has signed with it after this time.")
    leaked_at = models.DateTimeField(null=True, help_text="When an operator said that it has leaked.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.kid


class RunningServer(models.Model):
    """One start of a server. It renews its row every few seconds, and deletes it when it stops."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, help_text="Its host and port.")
    kids = ArrayField(models.CharField(max_length=KID_LENGTH), help_text="Its keys. The first one signs.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
