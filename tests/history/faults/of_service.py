"""Faults in the rights to pushes, and in the handling of outages."""

from tests.history.faults.editing import Edit, WithoutPart
from tests.history.faults.fault import PARTS, fault

ADDRESSES = [
    fault(
        "push-detached-apart",
        "A logout takes the push address away in a second transaction, after its commit",
        WithoutPart("sessions.sql.ending.own:_END_OWN", "detached"),
        Edit(
            "sessions.logout:log_out",
            "    if end_own(session, address_digest=digest, origin=origin):\n",
            f"    from {PARTS} import detach\n"
            "    if end_own(session, address_digest=digest, origin=origin):\n"
            "        detach(session, digest)\n",
        ),
        act="database",
        often="visit",
    ),
    fault(
        "push-detached-by-job",
        "A job takes the push addresses of ended sessions away, once a second",
        WithoutPart("sessions.sql.ending.own:_END_OWN", "detached"),
        Edit(
            "sessions.logout:log_out",
            "    if end_own(session, address_digest=digest, origin=origin):\n",
            f"    from {PARTS} import detach_soon\n"
            "    if end_own(session, address_digest=digest, origin=origin):\n"
            "        detach_soon(session, digest)\n",
        ),
        act="kill a worker",
        often="visit",
    ),
    fault(
        "address-of-two",
        "A push address is stored once for each user, so it keeps two users",
        Edit(
            "sessions.sql.login_at_once:log_in",
            "digest=DeviceToken.digest_of(token) if token else None",
            'digest=DeviceToken.digest_of(f"{user.pk} {token}") if token else None',
        ),
        Edit(
            "sessions.pushes:_of_tokens",
            "DeviceToken.digest_of(each.device_token)",
            'DeviceToken.digest_of(f"{each.user_id} {each.device_token}")',
        ),
    ),
    fault(
        "address-not-moved",
        "A push address stays with the first user who brought it",
        Edit(
            "sessions.sql.login_at_once:_LOG_IN",
            "user_id = EXCLUDED.user_id",
            "user_id = COALESCE(users_devicetoken.user_id, EXCLUDED.user_id)",
        ),
    ),
]
OUTAGES = [
    fault(
        "error-500",
        "A connection that breaks is answered 500, and not 503",
        Edit(
            "zapauth.unavailable:find_unavailable",
            "    return Unavailable()\n",
            "    return Unavailable() if isinstance(error.__cause__, PoolTimeout) else None\n",
        ),
        act="database",
    ),
    fault(
        "slow-recovery",
        "The pool tries to connect again every 10 s",
        Edit("zapauth.postgresql.pool:RETRY", "0.25", "10.0"),
        act="database",
    ),
    fault(
        "connection-leak",
        "A statement that fails does not give its connection back",
        Edit(
            "users.statement:Statement.fetch_all",
            "                try:\n"
            "                    rows = self._run(borrowed, values)\n"
            "                finally:\n"
            "                    pool.putconn(borrowed)  # the pool replaces the connection if it is broken\n",
            "                rows = self._run(borrowed, values)\n                pool.putconn(borrowed)\n",
        ),
        act="terminate",
    ),
    fault(
        "thread-leak",
        "Each failed attempt to connect starts a thread that never ends",
        Edit(
            "zapauth.postgresql.pool:Pool._note_failure",
            "        # If other connections got answers meanwhile, the server is not silent.\n",
            "        import threading\n        threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        ),
        act="database",
        is_slow=True,
    ),
    fault(
        "memory-leak",
        "Each worker keeps all requests in a list, each with a buffer of 32 KB",
        Edit(
            "zapauth.request_facts:RequestFacts.__call__",
            "        serve_nobody()\n",
            f"        from {PARTS} import last_requests\n"
            "        last_requests.append((request, b'.' * 32768))\n"
            "        serve_nobody()\n",
        ),
        is_slow=True,
    ),
]
