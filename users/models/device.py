"""`Device`, its crash reports, and `DeviceToken`, the address of its pushes."""

import hashlib
from typing import Any, Self

from django.db import models
from django.db.models import F, Q

from users.clock import DatabaseNow
from users.models.app import App
from users.models.fields import ObjectIdField
from users.models.user import User
from users.sealing import Purpose, seal


class Device(models.Model):
    """One installation of an app on a device. A second registration with the same `unique_id` updates the row."""

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
    """A crash that an app reported from a device.

    Only `users.crash_reports` writes it. `manage.py prune` deletes old rows.
    """

    STACK_TRACE_LENGTH = 16_384
    MESSAGE_LENGTH = 2_000
    METHOD_NAME_LENGTH = 500

    device = models.ForeignKey(Device, on_delete=models.CASCADE, db_index=False, related_name="crash_reports")
    stack_trace = models.TextField(help_text=f"The first {STACK_TRACE_LENGTH:,} characters.")
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
    """The push address of a device: an FCM registration token or an APNs device token.

    It belongs to one user at a time: the last one who logged in with it. `user` is NULL when it belongs to nobody.
    The text is stored encrypted and found by its digest. A row does not say whether a push may be sent: its session may
    be refused already. Ask `sessions.pushes`.
    """

    MAX_LENGTH = 4096  # in characters, before encryption

    sealed_token = models.BinaryField(help_text="Encrypted with a key derived from SECRET_KEY.")
    # SHA-256. The digest is unique, not the token: a B-tree entry holds at most 2.7 kB. The digest uses no key, so
    # that it stays the same when SECRET_KEY changes; otherwise one token could get two rows and two users.
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    # The partial indexes below replace the full ones: a logout clears `user` and would have to write them all.
    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="device_tokens"
    )
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="device_tokens"
    )
    # The session of `user` that logged in with the token last. When an older session ends, the token stays. It is not a
    # foreign key because `users` must not depend on `sessions`.
    held_by = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # By the database's clock, like all times that something depends on. Each log-in with the token writes it.
    updated_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["user"], condition=Q(user__isnull=False), name="device_token_of_user"),
            models.Index(fields=["device"], condition=Q(device__isnull=False), name="device_token_of_device"),
        ]

    def __str__(self) -> str:
        return f"device token {self.pk}"  # the token itself is a secret

    @staticmethod
    def digest_of(token: str) -> bytes:
        """Return the SHA-256 digest of the token, 32 bytes."""
        return hashlib.sha256(token.encode()).digest()

    @classmethod
    def of(cls, token: str, **fields: Any) -> Self:
        """Make an unsaved row for ``token``, encrypted."""
        return cls(sealed_token=seal(token, Purpose.DEVICE_TOKEN), digest=cls.digest_of(token), **fields)
