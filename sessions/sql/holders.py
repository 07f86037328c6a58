"""The statements that find device tokens with the sessions that hold them, each with its app and user.

The push gate runs them for hundreds of device tokens at a time. They go from device tokens to sessions by keys. LATERAL
with OFFSET 0 makes PostgreSQL do so: by the user's or the token's other sessions it would read all of those, each time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sessions.models import Session
from sessions.sql.live_session import COLUMNS, session_in
from users.statement import Row, Statement


@dataclass(frozen=True)
class Held:
    """A device token that is attached to a user, and the session of that user that holds it, live or not."""

    id: int
    digest: bytes
    sealed: bytes
    session: Session


_HOLDER = f"""
       SELECT t.id, t.digest, t.sealed_token, clock_timestamp(), {COLUMNS}
         FROM tokens t
   CROSS JOIN LATERAL (SELECT * FROM user_sessions_session WHERE id = t.held_by OFFSET 0) s
         JOIN users_app a ON a.id = s.app_id
         JOIN users_user u ON u.id = s.user_id AND u.id = t.user_id
     ORDER BY t.id
"""  # noqa: S608  # names of columns
_BY_DIGEST = Statement(f"""
WITH tokens AS (
    SELECT t.*
      FROM unnest(%(digests)s::text[]) asked (digest)
      JOIN users_devicetoken t ON t.digest = decode(asked.digest, 'hex') AND t.user_id IS NOT NULL
) {_HOLDER}""")  # noqa: S608  # names of columns
_OF_USERS = Statement(f"""
WITH tokens AS (
    SELECT t.*
      FROM unnest(%(users)s::text[]) asked (id)
     CROSS JOIN LATERAL (SELECT * FROM users_devicetoken
                          WHERE user_id = asked.id ORDER BY id DESC LIMIT %(most)s::int) t
) {_HOLDER}""")  # noqa: S608  # names of columns
_PAGE = Statement(f"""
WITH tokens AS (
    SELECT * FROM users_devicetoken WHERE user_id = %(user)s AND id > %(after)s::bigint ORDER BY id LIMIT %(most)s::int
) {_HOLDER}""")  # noqa: S608  # names of columns


def held_by_digest(digests: Iterable[bytes]) -> list[Held]:
    """Return those of the device tokens that are attached. One query."""
    return _read(_BY_DIGEST.fetch_all(digests=[digest.hex() for digest in digests]))


def held_by_users(users: Sequence[str], *, most: int) -> list[Held]:
    """Return the device tokens of these users, of each at most that many, the newest ones. One query."""
    return _read(_OF_USERS.fetch_all(users=list(users), most=most))


def held_by_user(user_id: str, *, after: int, most: int) -> list[Held]:
    """Return the next ``most`` device tokens of one user that come after that id. One query."""
    return _read(_PAGE.fetch_all(user=user_id, after=after, most=most))


def _read(rows: list[Row]) -> list[Held]:
    return [Held(pk, digest, sealed, session_in(row)) for pk, digest, sealed, *row in rows]
