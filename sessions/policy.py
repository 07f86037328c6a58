"""How long sessions last and how many a user may have. The app's own values come first, then the settings.

The defaults for clients follow NIST SP 800-63B §4.1.3 (AAL1): a user logs in again at least every 30 days. The idle
time-out is our addition. The defaults for the admin are shorter, because staff can do more. Those for the account page
are as short: people open it on computers that others use, too.
"""

from datetime import timedelta

from django.conf import settings

from users.models import App

# A request writes `last_seen_at` only if it is older than this.
LAST_SEEN_EVERY = timedelta(minutes=5)


def session_lifetime(app: App) -> timedelta:
    """Return the time from the log-in to the end, whether or not the session is used."""
    if app.session_lifetime is not None:
        return app.session_lifetime
    lifetime: timedelta = settings.SESSION_LIFETIME
    if app.uses_cookies:
        lifetime = settings.STAFF_SESSION_LIFETIME if app.is_admin else settings.ACCOUNT_SESSION_LIFETIME
    return lifetime


def idle_timeout(app: App) -> timedelta:
    """Return the time from the last use to the end. Zero: no idle time-out. `sessions.liveness` has the same in SQL."""
    if app.idle_timeout is not None:
        return app.idle_timeout
    timeout: timedelta = settings.SESSION_IDLE_TIMEOUT
    if app.uses_cookies:
        timeout = settings.STAFF_IDLE_TIMEOUT if app.is_admin else settings.ACCOUNT_IDLE_TIMEOUT
    return timeout


def sessions_per_user(app: App) -> int:
    """Return how many open sessions a user may have in this app. 0: no limit."""
    default: int = 0 if app.uses_cookies else settings.SESSIONS_PER_USER
    return default if app.sessions_per_user is None else app.sessions_per_user


def last_seen_every(app: App) -> timedelta:
    """Return how often `last_seen_at` is written.

    So an idle session may end early, by up to a tenth of the time-out, but never late.
    """
    idle = idle_timeout(app)
    return min(LAST_SEEN_EVERY, idle / 10) if idle else LAST_SEEN_EVERY
