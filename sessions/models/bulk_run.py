"""The order to end many sessions."""

from django.db import models
from django.db.models import F, Q
from uuid6 import uuid7

from sessions.models.reasons import EndReason
from users.models import User


class BulkRun(models.Model):
    """An order to end many sessions: who gave it, why, and how many have ended.

    `sessions.bulk` and `sessions.restore.undo` write it. It is part of the record, so it is never deleted.
    """

    class Source(models.TextChoices):
        ADMIN = "admin", "the admin"
        COMMAND = "command", "manage.py"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.CharField(max_length=10, choices=Source.choices)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    operator = models.CharField(max_length=200, blank=True, help_text="Who called the command: user@host.")
    note = models.TextField(blank=True, help_text="The reason, in the words of the person who gave the order.")
    selection = models.JSONField(help_text="The filters: `sessions.selection.selection.Selection`.")
    fingerprint = models.CharField(max_length=16)
    expected = models.PositiveIntegerField(help_text="How many live sessions it was expected to end.")
    ended = models.PositiveIntegerField(default=0, help_text="How many it has ended so far.")
    cut_off = models.BooleanField(help_text="Whether all of them were refused at once, before the first one was ended.")
    ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(help_text="When the order was first given.")
    as_of = models.DateTimeField(help_text="When the order was last given. Sessions that are opened later stay.")
    finished_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(
        max_length=20,
        choices=EndReason.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Why its sessions end. Empty: ended by staff, or by an operator's command.",
    )
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody stopped it. No session is ended until the order is given again."
    )
    stopped_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # The present stretch of work: since when a process works on the run, and how many had ended before.
    swept_since = models.DateTimeField(null=True, blank=True)
    swept_from = models.PositiveIntegerField(default=0, db_default=0)
    last_batch_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(F("started_at").desc(), name="bulk_run_newest"),
            # Servers look for unfinished runs every few seconds. Few runs are unfinished, and many are finished.
            models.Index(fields=["as_of"], condition=Q(finished_at=None), name="bulk_run_unfinished"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}, {self.started_at:%Y-%m-%d %H:%M}"
