"""The seeded faults, by name. Each is as small as the mistake would be, and the server works otherwise."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.history.faults.editing import Edit, WithoutPart

_NO_TOKEN_IS_COMPARED = """ AND refresh_jti = %(jti)s
       AND NOT EXISTS (
           SELECT FROM token_blacklist_blacklistedtoken b
             JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
            WHERE o.jti = %(jti)s)"""
_PARTS = "tests.history.faults.parts"
_HOST_NOW = "from django.utils import timezone\n"


@dataclass(frozen=True)
class Fault:
    """A mistake: what it is, in words, and the edits that make it.

    Args:
        act: what the nemesis must do, as in the names of its acts; "none": the clients alone show the fault.
        is_slow: whether it shows after minutes only.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    act: str = "none"
    is_slow: bool = False

    def seed(self) -> Callable[[], None]:
        """Make the mistake in this process. Returns: a function that takes it back. Raises: CannotEdit."""
        with ExitStack() as stack:
            for edit in self.edits:
                stack.callback(edit.apply())
            return stack.pop_all().close


def _fault(name: str, what: str, *edits: Edit, act: str = "none", is_slow: bool = False) -> tuple[str, Fault]:
    return name, Fault(name, what, edits, act, is_slow)


_VERDICTS = [
    _fault(
        "verdict-cached",
        "A worker keeps the session of a token for 1 s",
        Edit(
            "sessions.authentication:get_live_session",
            "    session = find_session(token.session_id)\n",
            f"    from {_PARTS} import find_cached_session\n    session = find_cached_session(token.session_id)\n",
        ),
    ),
    _fault(
        "stale-snapshot",
        "One worker reads sessions in a transaction that stays open for 1 s",
        Edit(
            "sessions.authentication:get_live_session",
            "    session = find_session(token.session_id)\n",
            f"    from {_PARTS} import find_session_in_snapshot\n"
            "    session = find_session_in_snapshot(token.session_id)\n",
        ),
    ),
    _fault(
        "epoch-ignored",
        "Authentication does not compare the epochs",
        Edit(
            "sessions.models:Session._is_cut_off",
            "        if epoch != owner.session_epoch:\n            return True\n",
            "",
        ),
        act="order",
    ),
    _fault(
        "host-clock",
        "An order compares times of the server's own clock, instead of epochs",
        Edit(
            "sessions.bulk.runs:_cut_off",
            '        of.update(session_epoch=F("session_epoch") + 1)\n',
            f"        {_HOST_NOW}        of.update(sessions_valid_after=timezone.now())\n",
        ),
        Edit(
            "sessions.bulk.runs:_left",
            "    if not run.cut_off or selection.created_before is not None:\n",
            "    if run:\n",
        ),
        Edit(
            "users.clock:database_now",
            "    with connection.cursor() as cursor:\n",
            f"    {_HOST_NOW}    return timezone.now()\n    with connection.cursor() as cursor:\n",
        ),
        Edit(
            "sessions.sql.live_session:session_in",
            "    session.checked_at = now\n",
            f"    {_HOST_NOW}    session.checked_at = timezone.now()\n",
        ),
        act="clock",
    ),
]
_ENDINGS = [
    _fault(
        "answer-before-commit",
        "A logout is answered first and carried out afterwards",
        Edit(
            "zapauth.zap.viewsets:LogoutViewSet._log_out",
            "            log_out(self.session, device_token=device_token, origin=self.origin)\n",
            f"            from {_PARTS} import after_answer\n"
            "            after_answer(log_out, self.session, device_token=device_token, origin=self.origin)\n",
        ),
    ),
    _fault(
        "commit-not-awaited",
        "The commit of a logout does not wait for the disk",
        *(
            Edit(f"sessions.sql.ending:{name}", "'synchronous_commit', 'remote_apply'", "'synchronous_commit', 'off'")
            for name in ("_END_OWN", "_END_OWN_AND_OPEN", "_END_LOCKED", "_END_BY_RULE")
        ),
        act="database",
    ),
    _fault(
        "failure-answered-done",
        "A logout that fails in the database is answered 200",
        Edit(
            "zapauth.zap.viewsets:LogoutViewSet._log_out",
            "            log_out(self.session, device_token=device_token, origin=self.origin)\n",
            "            from contextlib import suppress\n"
            "            from django.db import Error\n"
            "            with suppress(Error):\n"
            "                log_out(self.session, device_token=device_token, origin=self.origin)\n",
        ),
        act="database",
    ),
    _fault(
        "two-logouts-answered",
        "Two logouts of one session at once are both answered 200",
        Edit(
            "sessions.logout:log_out",
            "origin=origin):\n        raise SessionEnded\n",
            "origin=origin):\n        pass\n",
        ),
    ),
    _fault(
        "ends-twice",
        "Orders do not lock the sessions that they end, so a session can end twice, with two reasons",
        Edit("sessions.logout:end_sessions", '.select_for_update(of=("self",), no_key=True)', ""),
    ),
    _fault(
        "all-ends-one",
        "A logout of all sessions ends only the caller's",
        Edit(
            "sessions.sessions_of_user:log_out_scope",
            "    if scope is Scope.THIS:\n        sessions",
            "    if scope is not Scope.OTHERS:\n        sessions",
        ),
    ),
    _fault(
        "password-keeps-sessions",
        "A changed password leaves the user's other sessions open",
        Edit(
            "sessions.passwords:password_change",
            "        end_sessions(sessions, actor=actor, reason=EndReason.PASSWORD_CHANGED, origin=origin)\n",
            "",
        ),
    ),
    _fault(
        "record-left-out",
        "Staff end sessions without an entry in the record",
        Edit(
            "sessions.logout:end_sessions_as_staff",
            "        record(Event.SESSIONS_ENDED, user=of, count=len(ended), **details, **by)\n",
            "",
        ),
    ),
    _fault(
        "count-at-the-end",
        "A batch of a bulk run commits without its count, which is written when the run is done",
        Edit(
            "sessions.bulk.runs:_sweep_batch",
            '    run.save(update_fields=["ended", "last_batch_at", "finished_at"])\n',
            "    if run.finished_at is not None:\n"
            "        run.ended = Session.objects.filter(bulk_run=run).count()\n"
            '        run.save(update_fields=["ended"])\n'
            '    run.save(update_fields=["last_batch_at", "finished_at"])\n',
        ),
        act="order",
    ),
]
_TOKENS = [
    _fault(
        "blacklist-left-out",
        "The end of a session does not blacklist its refresh token",
        *(
            WithoutPart(f"sessions.sql.ending:{name}", "blacklisted")
            for name in ("_END_OWN", "_END_LOCKED", "_END_BY_RULE")
        ),
    ),
    _fault(
        "refresh-not-compared",
        "A refresh sets the next token without comparing the present one",
        Edit("sessions.sql.rotation:_ROTATE", _NO_TOKEN_IS_COMPARED, ""),
    ),
    _fault(
        "refresh-revives",
        "A refresh saves the whole row of the session, as it was before: the session may live again",
        Edit(
            "sessions.refresh:refresh",
            "        grant = _use(token, session, client)\n        if grant is not None:\n",
            f"        from {_PARTS} import save_as_read\n"
            "        stored = Session.objects.get(pk=session.pk)\n"
            "        grant = _use(token, session, client)\n"
            "        if grant is not None:\n"
            "            save_as_read(stored, last_seen_at=session.checked_at)\n",
        ),
    ),
]
_ADDRESSES = [
    _fault(
        "push-detached-apart",
        "A logout takes the push address away in a second transaction, after its commit",
        WithoutPart("sessions.sql.ending:_END_OWN", "detached"),
        Edit(
            "sessions.logout:log_out",
            "    if end_own(session, address_digest=digest, origin=origin):\n",
            f"    from {_PARTS} import detach\n"
            "    if end_own(session, address_digest=digest, origin=origin):\n"
            "        detach(session, digest)\n",
        ),
        act="database",
    ),
    _fault(
        "push-detached-by-job",
        "A job takes the push addresses of ended sessions away, once a second",
        WithoutPart("sessions.sql.ending:_END_OWN", "detached"),
        Edit(
            "sessions.logout:log_out",
            "    if end_own(session, address_digest=digest, origin=origin):\n",
            f"    from {_PARTS} import detach_soon\n"
            "    if end_own(session, address_digest=digest, origin=origin):\n"
            "        detach_soon(session, digest)\n",
        ),
        act="kill a worker",
    ),
    _fault(
        "address-of-two",
        "A push address is stored once for each user, so it keeps two users",
        Edit(
            "sessions.sql.opening:log_in",
            "digest=DeviceToken.digest_of(token) if token else None",
            'digest=DeviceToken.digest_of(f"{user.pk} {token}") if token else None',
        ),
        Edit(
            "sessions.pushes:_of_tokens",
            "DeviceToken.digest_of(each.device_token)",
            'DeviceToken.digest_of(f"{each.user_id} {each.device_token}")',
        ),
    ),
    _fault(
        "address-not-moved",
        "A push address stays with the first user who brought it",
        Edit(
            "sessions.sql.opening:_LOG_IN",
            "user_id = EXCLUDED.user_id",
            "user_id = COALESCE(users_devicetoken.user_id, EXCLUDED.user_id)",
        ),
    ),
]
_OUTAGES = [
    _fault(
        "error-500",
        "A connection that breaks is answered 500, and not 503",
        Edit(
            "zapauth.unavailable:find_unavailable",
            "    return Unavailable()\n",
            "    return Unavailable() if isinstance(error.__cause__, PoolTimeout) else None\n",
        ),
        act="database",
    ),
    _fault(
        "slow-recovery",
        "The pool tries to connect again every 5 s",
        Edit("zapauth.postgresql.pool:RETRY", "0.25", "5.0"),
        act="database",
    ),
    _fault(
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
        act="database",
    ),
    _fault(
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
    _fault(
        "memory-leak",
        "Each worker keeps all requests in a list",
        Edit(
            "zapauth.request_facts:RequestFacts.__call__",
            "        reset = _current.set(request)\n",
            f"        from {_PARTS} import last_requests\n"
            "        last_requests.append(request)\n"
            "        reset = _current.set(request)\n",
        ),
        is_slow=True,
    ),
]
FAULTS = dict([*_VERDICTS, *_ENDINGS, *_TOKENS, *_ADDRESSES, *_OUTAGES])
