"""Log in to one of our pages: the admin or the account page."""

from sessions.login.admission import note_or_refuse, require_factor, take_back
from sessions.login.limit import live_in_app, make_room
from sessions.login.new_session import make_session, open_for_user
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.policy import sessions_per_user
from sessions.sql.locks import lock_sessions
from users.models import App, User
from users.origin import Origin
from users.transactions import in_transaction


@in_transaction
def log_in_by_cookie(user: User, *, app: App, origin: Origin, instead_of: Session | None = None) -> Session:
    """Log ``user`` in to one of our pages, whose app is ``app``: the admin or the account page. There is no token.

    Args: instead_of: the session that the same browser had before; it ends.

    Raises: SecondFactorRequired, when ``user`` has a second factor and has not shown it; BadCredentials, when the
        password or the factor that ``user`` was loaded with has changed since.
    """
    require_factor(user)
    note_or_refuse(user, origin)
    session = make_session(app, origin, user=user)
    replaced = Session.objects.filter(pk=instead_of.pk, ended_at=None) if instead_of else Session.objects.none()
    if instead_of is not None or sessions_per_user(app):
        lock_sessions(replaced | live_in_app(user, app))
    end_sessions(replaced, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    make_room(session, origin)
    open_for_user(session, user, origin=origin)
    take_back(user)
    return session
