"""The session: one log-in of one user, in one app, perhaps on one device."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from uuid6 import uuid7

from sessions.models.bulk_run import BulkRun
from sessions.models.reasons import EndReason, Judgement, Refusal
from sessions.policy import idle_timeout
from users.models import App, Device, DeviceToken, User

USER_AGENT_LENGTH = 512
PLATFORM_LENGTH = 100
LOCATION_LENGTH = 100


class Session(models.Model):
    """A log-in. A session without a user is app-level: an app on a device, before or after a log-in there.

    When the session has ended, the row stays, with the time, the reason and the actor. Only the statements in
    `sessions.sql.ending` end a session, and only `sessions.logout` runs them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="The `sid` claim.")
    # No foreign key has its own index. Queries use the partial indexes below.
    app = models.ForeignKey(App, on_delete=models.PROTECT, db_index=False)
    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="login_sessions"
    )
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.PROTECT, db_index=False)
    device_token = models.ForeignKey(DeviceToken, null=True, blank=True, on_delete=models.PROTECT, db_index=False)
    opened_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        help_text="The session whose token opened this one on the same device, by a log-in or a logout.",
    )

    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    platform = models.CharField(
        max_length=PLATFORM_LENGTH,
        blank=True,
        help_text="The device's platform. Without a device, what the user agent says.",
    )
    # Where `ip` is, according to the file at GEOIP_PATH: `sessions.geography`. NULL means unknown, and takes no space.
    country = models.CharField(
        max_length=2, null=True, blank=True, help_text="The country of the log-in: its ISO 3166-1 code."
    )
    country_name = models.CharField(max_length=LOCATION_LENGTH, null=True, blank=True)
    city = models.CharField(max_length=LOCATION_LENGTH, null=True, blank=True)
    # In degrees, rounded to a tenth, which is 11 km. They tell how far apart two log-ins are.
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    judgement = models.CharField(
        max_length=20,
        choices=Judgement.choices,
        null=True,
        blank=True,
        help_text="What is unusual about where the log-in came from.",
    )
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="When it was last used. Written every few minutes at most.")
    expires_at = models.DateTimeField()
    authenticated_at = models.DateTimeField(
        null=True, blank=True, help_text="When the user's password was last checked for this session."
    )
    # The statement that opens the session copies them: `users.models.SessionEpochField`.
    app_epoch = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    user_epoch = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    refresh_jti = models.CharField(
        max_length=32, null=True, blank=True, help_text="The `jti` of its current refresh token; NULL if it has none."
    )
    # The previous refresh token. The client may send it again if the answer was lost: `sessions.refresh`.
    refresh_used_jti = models.CharField(max_length=32, null=True, blank=True)
    refresh_used_at = models.DateTimeField(null=True, blank=True)
    refresh_used_by = models.CharField(
        max_length=64, blank=True, help_text="Digest of the client that used that token."
    )

    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=20, choices=EndReason.choices, blank=True)
    ended_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    ended_ip = models.GenericIPAddressField(null=True, blank=True)
    ended_request_id = models.CharField(max_length=64, blank=True)
    # The database does not check this foreign key, because runs are never deleted. The check would look up the same
    # run for each of a million sessions, and take a tenth of the time in which they are ended.
    bulk_run = models.ForeignKey(
        BulkRun,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="sessions",
    )

    # The database's time when this session was looked up or opened. It is not stored. Only sessions that
    # `sessions.authentication` or a log-in returns have it.
    checked_at: datetime
    # Why staff ended it, in their words. It is not stored here. Only sessions that `sessions.inspect.end_notes` has
    # read have it.
    end_note: str

    class Meta:
        permissions = [
            ("end_session", "Can end other users' sessions"),
            ("end_all_sessions", "Can end everybody's sessions at once"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="session_ended_has_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["user"], condition=Q(ended_at=None), name="session_live_user"),
            models.Index(F("user"), F("created_at").desc(), name="session_of_user"),
            # These three indexes include ended sessions: staff search for a phone or an address among all sessions.
            models.Index(
                fields=["device_token"], condition=Q(device_token__isnull=False), name="session_of_device_token"
            ),
            models.Index(fields=["device"], condition=Q(device__isnull=False), name="session_of_device"),
            models.Index(fields=["ip"], condition=Q(ip__isnull=False), name="session_from_ip"),
            # It includes ended sessions: a session is deleted only after the sessions that were opened from it.
            models.Index(fields=["opened_from"], condition=Q(opened_from__isnull=False), name="session_opened_from"),
            models.Index(fields=["app", "created_at"], condition=Q(ended_at=None), name="session_live_app"),
            models.Index(F("ended_at").desc(), condition=Q(ended_at__isnull=False), name="session_ended"),
            models.Index(fields=["bulk_run"], condition=Q(bulk_run__isnull=False), name="session_of_bulk_run"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_app_level(self) -> bool:
        return self.user_id is None

    @property
    def location(self) -> str:
        """Where the log-in came from, such as "Berlin, Germany"; "" if that is not known."""
        return ", ".join(filter(None, (self.city, self.country_name or self.country)))

    def refusal(self, now: datetime) -> Refusal | None:
        """Return the first rule that refuses this session's tokens at ``now``, or None if it is live.

        It reads `app` and `user`, so load them with the session.
        """
        return next((refusal for refusal, broken in self.rules(now) if broken), None)

    def rules(self, now: datetime) -> tuple[tuple[Refusal, Any], ...]:
        """Return each rule, and whether it is broken (truthy) at ``now``, the database's time.

        `sessions.liveness` has the same rules as filters; a test compares the two.
        """
        app, user = self.app, self.user
        idle = idle_timeout(app)
        return (
            (Refusal.ENDED, self.ended_at),
            (Refusal.EXPIRED, self.expires_at <= now),
            (Refusal.IDLE, user and idle and now - self.last_seen_at >= idle),
            (Refusal.APP_INACTIVE, not app.is_active),
            (Refusal.APP_CUT_OFF, self._is_cut_off(app, self.app_epoch)),
            (Refusal.USER_INACTIVE, user and (not user.is_active or user.deleted_at)),
            (Refusal.USER_CUT_OFF, user and self._is_cut_off(user, self.user_epoch)),
            (Refusal.NOT_STAFF, app.is_admin and not (user and user.is_staff)),
        )

    def _is_cut_off(self, owner: App | User, epoch: int) -> bool:
        """Return whether an order for that app or user refuses this session, which stores ``epoch``."""
        if epoch != owner.session_epoch:
            return True
        # A session that was opened at the same instant as the cut-off is refused, too.
        return owner.sessions_valid_after is not None and self.created_at <= owner.sessions_valid_after
