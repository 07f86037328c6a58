"""The statements of a refresh. Each one compares and sets.

Nothing is written and the function returns False in three cases: the session has ended meanwhile, another refresh has
used the token, or somebody has revoked the token through simplejwt's own tables.
"""

from datetime import datetime
from uuid import UUID

from users.statement import Statement

_NOTE_REFRESH = Statement("""
UPDATE user_sessions_session
   SET last_seen_at = %(now)s
 WHERE id = %(id)s AND ended_at IS NULL AND refresh_jti = %(jti)s
   AND NOT EXISTS (
       SELECT FROM token_blacklist_blacklistedtoken b
         JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
        WHERE o.jti = %(jti)s)
RETURNING id
""")
_ROTATE = Statement("""
-- The successor takes the token's place in the session. The session remembers which client used the token.
WITH used AS (
    UPDATE user_sessions_session
       SET last_seen_at = %(now)s, refresh_jti = %(successor)s,
           refresh_used_jti = %(jti)s, refresh_used_at = %(now)s, refresh_used_by = %(client)s
     WHERE id = %(id)s AND ended_at IS NULL AND refresh_jti = %(jti)s
       AND NOT EXISTS (
           SELECT FROM token_blacklist_blacklistedtoken b
             JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
            WHERE o.jti = %(jti)s)
 RETURNING id, user_id, expires_at
-- simplejwt's tables list the successor, without its text, and blacklist the token.
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT %(successor)s, user_id, '', %(now)s, expires_at FROM used
), blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s FROM used CROSS JOIN token_blacklist_outstandingtoken o WHERE o.jti = %(jti)s
        ON CONFLICT (token_id) DO NOTHING
)
SELECT id FROM used
""")


def note_refresh(session_id: UUID, *, jti: str, now: datetime) -> bool:
    """Store that the session's refresh token ``jti`` was used. The token stays the same."""
    return bool(_NOTE_REFRESH.fetch_all(id=session_id, jti=jti, now=now))


def rotate(session_id: UUID, *, jti: str, successor: str, client: str, now: datetime) -> bool:
    """Replace the refresh token ``jti`` by ``successor``. ``client`` is the digest of the client that used it."""
    return bool(_ROTATE.fetch_all(id=session_id, jti=jti, successor=successor, client=client, now=now))
