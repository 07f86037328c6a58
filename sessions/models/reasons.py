"""Why a session ended, why its tokens are refused, and why its log-in is unusual."""

from enum import StrEnum

from django.db import models


class EndReason(models.TextChoices):
    """Why a session ended. Stored and logged: add values, never rename one."""

    LOGOUT = "logout", "logged out by the user"
    STAFF = "staff", "logged out by staff"
    OPERATOR = "operator", "logged out by an operator's command"
    SUPERSEDED = "superseded", "replaced by a newer log-in on the device"
    PASSWORD_CHANGED = "password_changed", "password changed"
    USER_DISABLED = "user_disabled", "account disabled"
    USER_DELETED = "user_deleted", "account deleted"
    EXPIRED = "expired", "reached its longest lifetime"
    IDLE = "idle", "timed out without use"
    OVER_LIMIT = "over_limit", "more sessions than the app allows"
    NOT_ME = "not_me", "reported by the user as not theirs"
    REFRESH_REUSED = "refresh_reused", "a refresh token was used twice"
    RESTORED = "restored", "backup restored"
    APP_SWITCHED_OFF = "app_switched_off", "app switched off"
    REVOKED = "revoked", "logged out by another service"


class Judgement(models.TextChoices):
    """What is unusual about where a log-in came from. Stored and logged: add values, never rename one."""

    # The user has logged in before, but never from this country.
    NEW_COUNTRY = "new_country", "new country"
    # Nobody travels so far in the time since the previous log-in.
    TOO_FAST = "too_fast", "too fast"


class Refusal(StrEnum):
    """Why a token or cookie with a valid signature is refused now."""

    ENDED = "session_ended"
    EXPIRED = "session_expired"
    IDLE = "session_idle"
    APP_INACTIVE = "app_inactive"
    APP_CUT_OFF = "app_cut_off"
    USER_INACTIVE = "user_inactive"
    USER_CUT_OFF = "user_cut_off"
    NOT_STAFF = "not_staff"
