"""How long sessions last and how many a user may have: by the app's own values, or else by the settings.

The defaults for clients follow NIST SP 800-63B §4.1.3 (AAL1): a user logs in again at least every 30 days. The idle
time-out is our addition. The defaults for the admin are shorter, because staff can do more.
"""

from datetime import timedelta

from django.conf import settings

from users.models import App

# How stale `last_seen_at` may get before a request writes it.
LAST_SEEN_EVERY = timedelta(minutes=5)


def session_lifetime(app: App) -> timedelta:
    """The time from the log-in to the end, however much the session is used."""
    default: timedelta = settings.STAFF_SESSION_LIFETIME if app.is_admin else settings.SESSION_LIFETIME
    return default if app.session_lifetime is None else app.session_lifetime


def idle_timeout(app: App) -> timedelta:
    """The time from the last use to the end. Zero: the session is never idle. `sessions.liveness` has it in SQL."""
    default: timedelta = settings.STAFF_IDLE_TIMEOUT if app.is_admin else settings.SESSION_IDLE_TIMEOUT
    return default if app.idle_timeout is None else app.idle_timeout


def sessions_per_user(app: App) -> int:
    """How many sessions at once a user may have in this app. 0: no limit."""
    default: int = 0 if app.is_admin else settings.SESSIONS_PER_USER
    return default if app.sessions_per_user is None else app.sessions_per_user


def last_seen_every(app: App) -> timedelta:
    """How often a use is stored. An idle session may end up to a tenth early, and never late."""
    idle = idle_timeout(app)
    return min(LAST_SEEN_EVERY, idle / 10) if idle else LAST_SEEN_EVERY
