"""Faults in the checks of sessions, in their ends, and in refreshes."""

from tests.history.faults.editing import Edit, WithoutPart
from tests.history.faults.fault import PARTS, fault

_NO_TOKEN_IS_COMPARED = """ AND refresh_jti = %(jti)s
       AND NOT EXISTS (
           SELECT FROM token_blacklist_blacklistedtoken b
             JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
            WHERE o.jti = %(jti)s)"""
_HOST_NOW = "from django.utils import timezone\n"

VERDICTS = [
    fault(
        "verdict-cached",
        "A worker keeps the session of a token for 1 s",
        Edit(
            "sessions.authentication:get_live_session",
            "    session = find_session(token.session_id)\n",
            f"    from {PARTS} import find_cached_session\n    session = find_cached_session(token.session_id)\n",
        ),
    ),
    fault(
        "stale-snapshot",
        "One worker reads sessions in a transaction that stays open for 1 s",
        Edit(
            "sessions.authentication:get_live_session",
            "    session = find_session(token.session_id)\n",
            f"    from {PARTS} import find_session_in_snapshot\n"
            "    session = find_session_in_snapshot(token.session_id)\n",
        ),
    ),
    fault(
        "epoch-ignored",
        "Authentication does not compare the epochs",
        Edit(
            "sessions.models.session:Session._is_cut_off",
            "        if epoch != owner.session_epoch:\n            return True\n",
            "",
        ),
        act="order",
    ),
    fault(
        "host-clock",
        "Times come from the server's own clock, and an order compares them instead of epochs",
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
ENDINGS = [
    fault(
        "answer-before-commit",
        "A logout is answered first and carried out afterwards",
        Edit(
            "zapauth.zap.viewsets:LogoutViewSet._log_out",
            "            log_out(self.session, device_token=device_token, origin=self.origin)\n",
            f"            from {PARTS} import after_answer\n"
            "            after_answer(log_out, self.session, device_token=device_token, origin=self.origin)\n",
        ),
    ),
    fault(
        "commit-not-awaited",
        "The commit of a logout does not wait for the disk",
        *(
            Edit(f"sessions.sql.ending.{name}", "'synchronous_commit', 'remote_apply'", "'synchronous_commit', 'off'")
            for name in ("own:_END_OWN", "own:_END_OWN_AND_OPEN", "locked:_END_LOCKED", "locked:_END_BY_RULE")
        ),
        act="kill the database",
        is_slow=True,
    ),
    fault(
        "failure-answered-done",
        "A logout that fails because of the database is answered 200",
        Edit(
            "zapauth.zap.errors:failure",
            "    for kind, status, code, message in _WORDS:\n",
            '    if isinstance(error, Unavailable) and "/logout" in request.path:\n'
            '        return envelope.success("The session has ended.")\n'
            "    for kind, status, code, message in _WORDS:\n",
        ),
        act="database",
    ),
    fault(
        "two-logouts-answered",
        "Two logouts of one session at once are both answered 200",
        Edit(
            "sessions.logout:log_out",
            "origin=origin):\n        raise SessionEnded\n",
            "origin=origin):\n        pass\n",
        ),
        often="log out at once",
    ),
    fault(
        "ends-twice",
        "Orders do not lock the sessions that they end, so a session can end twice, with two reasons",
        Edit("sessions.logout:end_sessions", '.select_for_update(of=("self",), no_key=True)', ""),
        often="log out at once",
    ),
    fault(
        "all-ends-one",
        "A logout of all sessions ends only the caller's",
        Edit(
            "sessions.sessions_of_user:log_out_scope",
            "    if scope is Scope.THIS:\n        sessions",
            "    if scope is not Scope.OTHERS:\n        sessions",
        ),
    ),
    fault(
        "password-keeps-sessions",
        "A changed password leaves the user's other sessions open",
        Edit(
            "sessions.passwords:password_change",
            "        end_sessions(sessions, actor=actor, reason=EndReason.PASSWORD_CHANGED, origin=origin)\n",
            "",
        ),
    ),
    fault(
        "record-left-out",
        "Staff end sessions without an entry in the record",
        Edit(
            "sessions.logout:end_sessions_as_staff",
            "        record(Event.SESSIONS_ENDED, user=of, count=len(ended), **details, **by)\n",
            "",
        ),
    ),
    fault(
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
TOKENS = [
    fault(
        "blacklist-left-out",
        "The end of a session does not blacklist its refresh token",
        *(
            WithoutPart(f"sessions.sql.ending.{name}", "blacklisted")
            for name in ("own:_END_OWN", "locked:_END_LOCKED", "locked:_END_BY_RULE")
        ),
    ),
    fault(
        "refresh-not-compared",
        "A refresh sets the next token without comparing the present one",
        Edit("sessions.sql.rotation:_ROTATE", _NO_TOKEN_IS_COMPARED, ""),
        often="refresh at once",
    ),
    fault(
        "refresh-revives",
        "A refresh saves the whole row of the session, as it was before: the session may live again",
        Edit(
            "sessions.refresh:refresh",
            "        grant = _use(token, session, client)\n        if grant is not None:\n",
            f"        from {PARTS} import save_as_read\n"
            "        stored = Session.objects.get(pk=session.pk)\n"
            "        grant = _use(token, session, client)\n"
            "        if grant is not None:\n"
            "            save_as_read(stored, last_seen_at=session.checked_at)\n",
        ),
        often="log out at once",
    ),
]
