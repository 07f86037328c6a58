"""The mark that shows how old a copy of the database is."""

from django.db import models
from django.db.models import Q


class Mark(models.Model):
    """A number that shows how old this copy of the database is. One row; `sessions.restore.guard` explains it.

    Running servers count it up, so an older copy of the database has a lower number.
    """

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    number = models.BigIntegerField(default=0)
    at = models.DateTimeField(help_text="The database's time when the number was last counted up.")
    pruned_before = models.DateTimeField(
        null=True, blank=True, help_text="Sessions that ended before this time have been deleted."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="mark_is_one_row")]

    def __str__(self) -> str:
        return f"mark {self.number}, {self.at:%Y-%m-%d %H:%M:%S} UTC"
