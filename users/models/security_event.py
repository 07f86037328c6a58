"""`SecurityEvent`: an entry of the record."""

from django.db import models
from django.db.models import F, Q

from users.clock import DatabaseNow
from users.models.app import App
from users.models.user import User

USER_AGENT_LENGTH = 512
OPERATOR_LENGTH = 200
# Condition on entries: the actor did it to somebody or something else, and not to their own account.
TO_OTHERS = Q(user=None) | ~Q(user=F("actor"))


class SecurityEvent(models.Model):
    """What happened to an account, an app or a group: when, by whose order, and from where.

    `users.record.writing` and the statements that open a session write it. Nobody changes an entry: a trigger refuses
    UPDATE and TRUNCATE, and every DELETE except that of `manage.py prune`, after the retention.

    The database does not check the foreign keys. So an entry locks no row that it names, and outlives it.
    """

    at = models.DateTimeField(db_default=DatabaseNow(), editable=False)
    # No `choices`, so that a new event needs no migration: `users.record.events.Event`.
    event = models.CharField(max_length=40)
    outcome = models.CharField(max_length=10, db_default="done", help_text="`done` or `refused`.")
    user = models.ForeignKey(
        User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    actor = models.ForeignKey(
        User,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Who ordered it.",
    )
    operator = models.CharField(
        max_length=OPERATOR_LENGTH, db_default="", help_text="Who called the command: user@host."
    )
    session_id = models.UUIDField(null=True)
    app = models.ForeignKey(
        App, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, db_default="")
    request_id = models.CharField(max_length=64, db_default="")
    details = models.JSONField(db_default={}, help_text="No secrets. Emails and phone numbers are masked.")

    class Meta:
        verbose_name = "entry"
        verbose_name_plural = "entries"
        default_permissions = ("view",)
        # Entries are read newest first, and pruned oldest first.
        indexes = [
            models.Index(F("user"), F("at").desc(), F("id").desc(), name="event_of_user"),
            models.Index(F("event"), F("at").desc(), F("id").desc(), name="event_of_kind"),
            models.Index(F("at").desc(), F("id").desc(), name="event_newest"),
            # Most entries are users' own acts. The index leaves them out, so a log-in needn't write to it.
            models.Index(
                F("actor"),
                F("at").desc(),
                F("id").desc(),
                condition=Q(actor__isnull=False) & TO_OTHERS,
                name="event_by_actor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event.replace('_', ' ')}, {self.at:%Y-%m-%d %H:%M} UTC"
