"""The stored numbers of the dashboard."""

from django.db import models

from sessions.models.session import PLATFORM_LENGTH


class Figure(models.Model):
    """A number of the dashboard, stored so that the page need not count a million rows.

    Only `sessions.inspect.statistics` writes it. It can be counted again, except for days whose sessions
    are pruned. Figures of the present day and of live sessions are those of the moment ``counted_at``.
    """

    class Kind(models.TextChoices):
        LIVE = "live", "live sessions of an app on a platform, at the moment of the count"
        LIVE_AT_END = "live_end", "live sessions at the end of that day"
        COUNTRY = "country", "live sessions from a country, at the moment of the count"
        OPENED = "opened", "sessions opened that day"
        ENDED = "ended", "sessions ended that day for a reason"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    day = models.DateField()
    app_id = models.CharField(max_length=24, blank=True)
    label = models.CharField(max_length=PLATFORM_LENGTH, blank=True, help_text="The platform, country or reason.")
    count = models.PositiveBigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "day", "app_id", "label"], name="figure_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.day} {self.label}: {self.count}"
