"""The statements that a log-in runs before the password is checked. They find the user and whether the place is known.

They do the same work for an unknown user, so that the time they take reveals nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict, Unpack
from uuid import UUID

from sessions.sql.live_session import build, columns
from users.models import User
from users.statement import Statement, Value

_USER = columns(User)

# Each column says whether a session of the user was opened there. A session that was opened from a registration is on
# the device that made the registration. A device's `unique_id` is no secret and proves nothing.
_OPENED_THERE = Statement("""
   SELECT COALESCE(bool_or(s.opened_from_id = %(registration)s::uuid OR s.id = %(logged_out)s::uuid), false),
          COALESCE(bool_or(t.digest = %(device_token)s::bytea), false),
          COALESCE(bool_or(s.ip <<= %(network)s::inet), false)
     FROM user_sessions_session s
LEFT JOIN users_devicetoken t ON t.id = s.device_token_id
    WHERE s.user_id = %(user)s
      AND s.created_at > (SELECT clock_timestamp()) - make_interval(secs => %(known_for)s::float8)
""")
_FIND_FOR_LOGIN = Statement(f"""
-- A verified email comes first, then a user name, then an email or a phone number that nobody has verified.
WITH meant AS MATERIALIZED (
    SELECT *
      FROM users_user
     WHERE deleted_at IS NULL
       AND (upper(username) = upper(%(username)s::text)
            OR upper(email) = upper(%(email)s::text)
            OR phone_number = %(phone_number)s::text)
     ORDER BY CASE WHEN email_verified AND upper(email) = upper(%(email)s::text) THEN 0
                   WHEN upper(username) = upper(%(username)s::text) THEN 1
                   ELSE 2 END
     LIMIT 1
-- Count the failed attempts of strangers in this hour.
), failed AS (
    SELECT COALESCE(sum(count), 0)::bigint AS count
      FROM users_refusedlogin
     WHERE hour = (SELECT date_trunc('hour', clock_timestamp(), 'UTC'))
       AND reason = ANY(string_to_array(%(reasons)s, ','))
)
   SELECT failed.count,
          extract(epoch FROM date_trunc('hour', clock_timestamp(), 'UTC') + interval '1 hour'
                             - clock_timestamp())::float8,
          place.registration, place.device_token, place.network, {", ".join(f"meant.{name}" for name in _USER)}
     FROM failed
LEFT JOIN meant ON true
    CROSS JOIN LATERAL (
          -- As in the statement above.
             SELECT COALESCE(bool_or(s.opened_from_id = %(registration)s::uuid OR s.id = %(logged_out)s::uuid), false)
                    AS registration,
                    COALESCE(bool_or(t.digest = %(device_token)s::bytea), false) AS device_token,
                    COALESCE(bool_or(s.ip <<= %(network)s::inet), false) AS network
               FROM user_sessions_session s
          LEFT JOIN users_devicetoken t ON t.id = s.device_token_id
              WHERE s.user_id = COALESCE(meant.id, '')
                AND s.created_at > (SELECT clock_timestamp()) - make_interval(secs => %(known_for)s::float8)) place
""")  # noqa: S608  # names of columns


@dataclass(frozen=True)
class FoundForLogin:
    """What the database knows about a log-in attempt."""

    user: User | None
    opened_there: tuple[bool, ...]  # in the order of `opened_there`
    failed: int  # how many attempts of strangers failed in this hour
    seconds_left: float  # until the hour ends


class PlaceFacts(TypedDict):
    """Where a caller is (device, device token, network), and how long a log-in there makes the place known.

    The device is that of the session ``registration``. ``logged_out`` is the session whose logout opened that session.
    """

    registration: UUID | None
    logged_out: UUID | None
    device_token: bytes | None  # a digest
    network: str | None
    known_for: timedelta


def opened_there(*, user_id: str, **place: Unpack[PlaceFacts]) -> tuple[bool, ...]:
    """Return whether that user has opened a session on that device, with that device token, in that network."""
    (row,) = _OPENED_THERE.fetch_all(user=user_id, **_values(place))
    return row


def find_for_login(
    *, username: str, email: str | None, phone_number: str | None, reasons: list[str], **place: Unpack[PlaceFacts]
) -> FoundForLogin:
    """Find the user with that name, email or phone number, in any case of letters. Deleted users are not found.

    Args: reasons: the reasons of failed attempts to count.
    """
    ((failed, seconds_left, *rest),) = _FIND_FOR_LOGIN.fetch_all(
        username=username, email=email, phone_number=phone_number, reasons=",".join(reasons), **_values(place)
    )
    user = build(User, _USER, iter(rest[3:]))
    return FoundForLogin(user if user.pk else None, tuple(rest[:3]), failed, seconds_left)


def _values(place: PlaceFacts) -> dict[str, Value]:
    return {
        "registration": place["registration"],
        "logged_out": place["logged_out"],
        "device_token": place["device_token"],
        "network": place["network"],
        "known_for": place["known_for"].total_seconds(),
    }
