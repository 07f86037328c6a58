"""What services are told: a notice says which sessions have ended, or which are refused from now on."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q

# Most sessions, or users, of one notice. More are told in several ones.
MOST_IN_ONE = 500


class _TransactionId(Func):
    """The id of the present transaction. PostgreSQL never uses one twice (unless it restores an older state)."""

    template = "pg_current_xact_id()::text::bigint"
    output_field = models.BigIntegerField()


class Notice(models.Model):
    """What one statement has done to the sessions of one app. It is written in the same transaction.

    With `session_ids`: these sessions have ended, and `user_ids` has the user of each, or None. Without: an order
    refuses the sessions of `user_ids`, or of all users, that were opened until `opened_until`. Their rows end later
    and are not told one by one.

    No key refers to another row, so writing a notice locks nothing.
    """

    id = models.BigAutoField(primary_key=True)
    xid = models.BigIntegerField(db_default=_TransactionId(), editable=False, help_text="The transaction's id.")
    at = models.DateTimeField()
    app_id = models.CharField(max_length=24)
    reason = models.CharField(max_length=20, help_text="A value of `EndReason`.")
    session_ids = ArrayField(models.UUIDField(), null=True)
    user_ids = ArrayField(models.CharField(max_length=24, null=True), null=True)
    opened_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["xid"], name="notice_xid")]

    def __str__(self) -> str:
        return f"notice {self.id}, app {self.app_id}, {self.reason}"


class NoticeHorizon(models.Model):
    """How far back the notices reach. One row.

    A place in the stream (`sessions.notices.place`) counts in one `era` only. A new era begins when a backup is
    restored.
    """

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    era = models.UUIDField(default=uuid.uuid4, editable=False)
    xid = models.BigIntegerField(default=0, help_text="The newest transaction of which a notice has been deleted.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="notice_horizon_is_one_row")]

    def __str__(self) -> str:
        return f"era {self.era}, notices after transaction {self.xid}"
