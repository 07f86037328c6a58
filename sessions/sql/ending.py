"""The statement that ends sessions, put together from its parts. Only `sessions.logout` runs it.

Its parameters are what the record says of the logout (`now`, `reason`, `actor`, `ip`, `request_id`, `run`) and which
sessions are meant. It returns one row. The second value says whether a session was ended.
"""

from functools import cache

from sessions.sql.statement import Statement

# One's own session and all others that its user has on a device token: those that are open, in one order.
LOCK_OWN = Statement("""
SELECT id
  FROM user_sessions_session
 WHERE ended_at IS NULL
   AND id = ANY(ARRAY(
       SELECT %(id)s::uuid
        UNION
       SELECT s.id
         FROM users_devicetoken t
         JOIN user_sessions_session s ON s.device_token_id = t.id
        WHERE t.digest = %(digest)s::bytea AND s.user_id = %(user)s AND s.ended_at IS NULL))
 ORDER BY id
   FOR NO KEY UPDATE
""")
# The parts of the one statement that ends sessions, so that the facts of a logout have one moment. First who,
# when, why and from where: from here on authentication refuses the session.
_ENDED = """
    UPDATE user_sessions_session
       SET ended_at = %(now)s, end_reason = %(reason)s, ended_by_id = %(actor)s,
           ended_ip = %(ip)s, ended_request_id = %(request_id)s, bulk_run_id = %(run)s
     WHERE {which}
 RETURNING id, app_id, app_epoch, user_id, refresh_jti, device_id, device_token_id, platform, authenticated_at"""
# Its refresh token, in simplejwt's own tables, unless it has expired: `manage.py prune` may delete such a one in
# this very moment. LATERAL, as below, keeps PostgreSQL to the index: for a few thousand it would rather read the
# whole table, once for each batch.
_BLACKLISTED = """
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM token_blacklist_outstandingtoken
                          WHERE jti = e.refresh_jti AND expires_at > %(now)s OFFSET 0) o
        ON CONFLICT (token_id) DO NOTHING"""
# The push addresses that it may hold for its user: the one it logged in with, those of its device, and one that
# the user names, whether or not an open session holds it. Not an OR in one join: of a million sessions it would
# take a third longer.
_OF_LOGIN = """
    SELECT device_token_id AS id, user_id, NULL AS device_id, id AS session_id, authenticated_at FROM ended"""
_OF_DEVICE = """
    SELECT t.id, e.user_id, e.device_id, e.id, e.authenticated_at
      FROM ended e
     CROSS JOIN LATERAL (SELECT id FROM users_devicetoken WHERE device_id = e.device_id OFFSET 0) t"""
_NAMED = """
    SELECT t.id, e.user_id, NULL, e.id, e.authenticated_at
      FROM ended e JOIN users_devicetoken t USING (user_id) WHERE t.digest = %(digest)s"""
# An address stays its user's if a newer log-in of theirs holds it: a phone that has logged in again meanwhile goes
# on getting pushes. A log-in that commits while this statement waits for the address is not visible to it, except
# in `held_by`, which is read from the locked row. So a holder that is not found counts as newer.
_HELD_BY_NEWER = """{held_by} {is_other} AND NOT EXISTS (
            SELECT FROM user_sessions_session holder
             WHERE holder.id = {held_by}
               AND (holder.ended_at IS NOT NULL OR holder.authenticated_at < their.authenticated_at))"""
# The addresses that are still that user's, for the phone may be somebody else's by now. They are locked in the order
# of their keys, so that two logouts that share some can't deadlock. The device keeps its address.
_HELD = """
    SELECT t.id, t.user_id, t.device_id, t.held_by
      FROM users_devicetoken t
     WHERE t.id = ANY(ARRAY(SELECT id FROM theirs))
     ORDER BY t.id
       FOR NO KEY UPDATE OF t"""
_THEIRS_STILL = "their.user_id = {t}.user_id AND (their.device_id IS NULL OR their.device_id = {t}.device_id)"
_DETACHED = f"""
    UPDATE users_devicetoken SET user_id = NULL, updated_at = %(now)s
     WHERE id = ANY(ARRAY(
           SELECT held.id FROM held JOIN theirs their ON their.id = held.id AND {_THEIRS_STILL.format(t="held")}
            WHERE ({_HELD_BY_NEWER.format(held_by="held.held_by", is_other="NOT IN (SELECT id FROM ended)")})
                  IS NOT TRUE))"""  # noqa: S608
# A session that nobody ended leaves an address to any other open session of its user: a forgotten log-in that times
# out must not silence the phone in use. The addresses are locked before this statement, so it sees every session.
_LEFT_TO_OTHERS = f"""
    UPDATE users_devicetoken t
       SET user_id = CASE WHEN other.id IS NOT NULL THEN t.user_id END, held_by = other.id, updated_at = %(now)s
      FROM theirs their
      LEFT JOIN LATERAL (
           SELECT s.id FROM user_sessions_session s
            WHERE s.device_token_id = their.id AND s.user_id = their.user_id
              AND s.ended_at IS NULL AND s.id NOT IN (SELECT id FROM ended)
            ORDER BY s.authenticated_at DESC NULLS LAST LIMIT 1) other ON true
     WHERE t.id = their.id AND {_THEIRS_STILL.format(t="t")}"""  # noqa: S608
# The same as `_DETACHED` for the one or two of one session, whose device and address are known to be as they were
# seen. They are found among the user's. It writes the row in either case: if another transaction has just written
# it, PostgreSQL waits and decides by the row as it is then.
_DETACHED_OF_ONE = f"""
    UPDATE users_devicetoken t
       SET user_id = CASE WHEN {_HELD_BY_NEWER.format(held_by="t.held_by", is_other="<> their.id")}
                          THEN t.user_id END, updated_at = %(now)s
      FROM ended their
     WHERE t.user_id = their.user_id AND ({{which}})"""  # noqa: S608
# What Buddy goes on with: on the same device, and with the push address that it has now. The ended session was
# live, so its epoch was the app's; an order that came between refuses the new session, too.
_OPENED = """
    INSERT INTO user_sessions_session (
           id, app_id, app_epoch, device_id, device_token_id, opened_from_id, platform, ip, user_agent,
           created_at, last_seen_at, expires_at, refresh_used_by, end_reason, ended_request_id)
    SELECT %(opened)s, app_id, app_epoch, device_id, device_token_id, id, platform, %(ip)s,
           %(user_agent)s, %(now)s, %(now)s, %(expires_at)s, '', '', ''
      FROM ended
     WHERE id = %(id)s"""


def _statement(**parts: str) -> Statement:
    # Were the database's default `synchronous_commit` ever turned down, an answered logout could be lost in a
    # crash, and a replica could still accept the token: so it is set for this commit.
    facts = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
    done = "SELECT set_config('synchronous_commit', 'remote_apply', true), EXISTS (SELECT FROM ended)"
    return Statement(f"WITH {facts} {done}")


def _theirs(*, on_device: bool, named: bool) -> str:
    return " UNION ALL ".join((_OF_LOGIN, *((_OF_DEVICE,) if on_device else ()), *((_NAMED,) if named else ())))


@cache
def end_locked(*, by_itself: bool = False, named: bool = False, opens: bool = False) -> Statement:
    """Ends the open sessions `%(ids)s`, which are locked; with ``by_itself``, their addresses are locked, too."""
    detached = {"detached": _LEFT_TO_OTHERS} if by_itself else {"held": _HELD, "detached": _DETACHED}
    return _statement(
        ended=_ENDED.format(which="id = ANY(%(ids)s)"),
        blacklisted=_BLACKLISTED,
        theirs=_theirs(on_device=True, named=named),
        **detached,
        **({"opened": _OPENED} if opens else {}),
    )


# Compare and set: nothing that has been looked at is another by now, and no other session has to be locked
# with it. So no lock comes first, and no transaction needs to be opened for two statements.
_AS_SEEN = """
           id = %(id)s AND ended_at IS NULL AND refresh_jti IS NOT DISTINCT FROM %(refresh_jti)s
       AND device_id IS NOT DISTINCT FROM %(device)s AND device_token_id IS NOT DISTINCT FROM %(device_token)s"""
_ALONE = """
       AND NOT EXISTS (
           SELECT FROM users_devicetoken t
             JOIN user_sessions_session s ON s.device_token_id = t.id
            WHERE t.digest = %(digest)s AND s.user_id = %(user)s AND s.ended_at IS NULL AND s.id <> %(id)s)"""


@cache
def end_as_seen(*, refreshes: bool, on_device: bool, named: bool, opens: bool) -> Statement:
    """Ends one session, if it is as it was seen.

    It has no part that has nothing to do: each takes its time, whether or not it finds a row.
    """
    which = ["t.id = %(device_token)s"]
    which += ["t.device_id = %(device)s"] if on_device else []
    which += ["t.digest = %(digest)s"] if named else []
    return _statement(
        ended=_ENDED.format(which=_AS_SEEN + (_ALONE if named else "")),
        **({"blacklisted": _BLACKLISTED} if refreshes else {}),
        detached=_DETACHED_OF_ONE.format(which=" OR ".join(which)),
        **({"opened": _OPENED} if opens else {}),
    )
