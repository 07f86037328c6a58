"""End the session of a token, ordered by an app with its key (RFC 7009)."""

from sessions.authentication import get_live_session
from sessions.errors import SessionsError
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.tokens.jwt import read_token
from users.errors import NotYours
from users.models import App
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction


def revoke(raw: str, *, by: App, only_own: bool, origin: Origin) -> None:
    """End the session of the token ``raw``: an access token, even an expired one, or a refresh token, even a used one.

    A token that is refused anyway changes nothing: it is unknown, or its session has ended.

    Args:
        by: the app that orders it.
        only_own: whether the app may end only its own sessions.

    Raises: NotYours, if the token is another app's. The token itself says whose it is. So this reveals nothing.
    """
    try:
        token = read_token(raw)
        if only_own and token["aud"] != by.pk:
            raise NotYours
        session = get_live_session(token, allow_expired=True)
    except SessionsError:
        return
    _end(session, by=by, origin=origin)


@in_transaction
def _end(session: Session, *, by: App, origin: Origin) -> None:
    revoked = Session.objects.filter(pk=session.pk)
    if end_sessions(revoked, actor=None, reason=EndReason.REVOKED, origin=origin):
        facts = {"by_app": by.name, "by_app_id": by.pk}
        record(Event.REVOKED, user=session.user, origin=origin, session_id=session.pk, app=session.app, **facts)
