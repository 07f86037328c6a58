"""Switch a second factor on and off: one's own, or another user's. The user is told by mail, and it is recorded."""

from datetime import timedelta

from django.db.models import Q

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from sessions.logout import end_sessions
from sessions.mail import AccountChange, mail_account_changed
from sessions.models import EndReason, Session
from sessions.places import Place
from sessions.reauthentication import is_recent, require_recent_password
from users.credentials import check_own_password
from users.errors import NotYours, SecondFactorEnabled, SecondFactorNeeded
from users.login_attempts import counted
from users.models import App, User
from users.origin import NOWHERE, Origin
from users.permissions import Act, must_have_factor, require
from users.record.events import Event
from users.record.writing import By, record
from users.second_factor.enabling import (
    NewSecret,
    begin,
    confirm,
    disable,
    find_unconfirmed,
    has_factor,
    replace_recovery_codes,
)
from users.second_factor.recovery import count_recovery_codes
from users.transactions import in_transaction

# A user scans the secret and types a code, even if REAUTHENTICATION_WINDOW is shorter than that takes.
_SET_UP_TIME = timedelta(minutes=10)


def begin_factor(
    user_id: str, *, actor: User, current: Session, password: str | None = None, origin: Origin
) -> NewSecret:
    """Make a secret for the caller's authenticator app. It counts once `confirm_factor` has received a code.

    A stolen token must not lock its user out, so this needs a recent password.

    Args:
        current: the caller's session.
        password: the caller's, if their log-in was too long ago.

    Raises: NotYours, SecondFactorEnabled, ReauthenticationRequired, TooManyAttempts.
    """
    _require_self(user_id, actor)
    if has_factor(actor):
        raise SecondFactorEnabled
    require_recent_password(current, password=password, origin=origin)
    return begin(actor)


def find_new_secret(actor: User, *, current: Session) -> NewSecret | None:
    """Return the secret that `begin_factor` made, to show it again. None, if there is none that awaits a code.

    Raises: ReauthenticationRequired, CannotUnseal.
    """
    if not is_recent(current, at_least=_SET_UP_TIME):
        raise ReauthenticationRequired
    return find_unconfirmed(actor)


def confirm_factor(
    user_id: str, *, code: str, end_others: bool = False, actor: User, current: Session, origin: Origin
) -> list[str]:
    """Switch the caller's second factor on, if ``code`` was made from their new secret.

    A wrong code counts like a failed log-in. The caller's other sessions in the admin and on the account page end: they
    were opened by the password alone.

    Args: end_others: whether all other sessions of the caller end, too.

    Returns: ten recovery codes. Raises: NotYours, SecondFactorEnabled, SecondFactorNotConfirmed, TooManyAttempts.
    """
    _require_self(user_id, actor)
    if has_factor(actor):
        raise SecondFactorEnabled

    @in_transaction
    def switch_on() -> list[str]:
        codes = confirm(actor, code)
        if not end_others:
            # Somebody who knows the password may be logged in to our pages, without the factor.
            on_pages = Session.objects.filter(user=actor).exclude(Q(app__kind=App.Kind.CLIENT) | Q(pk=current.pk))
            end_sessions(on_pages, actor=actor, reason=EndReason.SUPERSEDED, origin=origin)
        _note(Event.FACTOR_ENABLED, AccountChange.FACTOR_ENABLED, actor, current, end_others, origin)
        return codes

    with counted(actor, caller=Place.of(origin)):
        return switch_on()


def disable_factor(
    user_id: str, *, password: str, end_others: bool = False, actor: User, current: Session, origin: Origin
) -> None:
    """Switch the caller's second factor off. If it is off already, only the password is checked.

    Args: end_others: whether the caller's other sessions end, too.

    Raises: NotYours, SecondFactorNeeded, WrongPasswordGiven, TooManyAttempts.
    """
    _require_self(user_id, actor)
    if must_have_factor(actor):
        raise SecondFactorNeeded
    if not check_own_password(actor, password, caller=Place.of(origin)):
        raise WrongPasswordGiven

    @in_transaction
    def switch_off() -> None:
        if disable(actor):
            _note(Event.FACTOR_DISABLED, AccountChange.FACTOR_DISABLED, actor, current, end_others, origin)

    switch_off()


def renew_recovery_codes(actor: User, *, current: Session, origin: Origin) -> list[str]:
    """Make ten new recovery codes for the caller, and return them. The earlier ones stop working.

    Raises: ReauthenticationRequired, SecondFactorMissing.
    """
    if not is_recent(current):
        raise ReauthenticationRequired

    @in_transaction
    def replace() -> list[str]:
        codes = replace_recovery_codes(actor)
        record(Event.RECOVERY_CODES_MADE, user=actor, actor=actor, origin=origin, session_id=current.pk)
        mail_account_changed(actor, AccountChange.RECOVERY_CODES, origin=origin)
        return codes

    return replace()


@in_transaction
def switch_off_factor(
    user: User,
    *,
    actor: User | None,
    operator: str = "",
    note: str = "",
    ends_sessions: bool = False,
    origin: Origin = NOWHERE,
) -> bool:
    """Switch the second factor of another user off, for example after they have lost their phone.

    Args:
        actor: the member of staff who orders it. None: an operator, whose name is ``operator``.
        note: why.
        ends_sessions: whether all sessions of the user end, too.

    Returns: whether it was on. If not, nothing changes. Raises: NotYours.
    """
    if actor is not None:
        require(actor, Act.DISABLE_FACTOR, user)
    if not disable(user):
        return False
    if ends_sessions:
        reason = EndReason.STAFF if actor else EndReason.OPERATOR
        end_sessions(Session.objects.filter(user=user), actor=actor, reason=reason, origin=origin)
    by: By = {"actor": actor, "operator": operator, "origin": origin}
    record(Event.FACTOR_DISABLED, user=user, note=note.strip(), sessions_ended=ends_sessions, **by)
    mail_account_changed(user, AccountChange.FACTOR_DISABLED, by_staff=True)
    return True


def note_recovery_code(user: User, *, origin: Origin) -> None:
    """Tell ``user`` by mail that a recovery code of theirs has let somebody in, and record it."""
    record(Event.RECOVERY_CODE_USED, user=user, actor=user, origin=origin, left=count_recovery_codes(user))
    mail_account_changed(user, AccountChange.RECOVERY_CODE, origin=origin)


def _require_self(user_id: str, actor: User) -> None:
    # Staff switch another user's factor off in the admin or by a command, after they have made sure who asks.
    if user_id != actor.pk:
        raise NotYours


def _note(event: Event, change: AccountChange, user: User, current: Session, end_others: bool, origin: Origin) -> None:
    """Record the change, mail the user, and end their other sessions if they want that."""
    if end_others:
        others = Session.objects.filter(user=user).exclude(pk=current.pk)
        end_sessions(others, actor=user, reason=EndReason.LOGOUT, origin=origin)
    record(event, user=user, actor=user, origin=origin, session_id=current.pk, others_ended=end_others)
    mail_account_changed(user, change, origin=origin)
