"""Switch the caller's second factor on and off. The user is told by mail, and it is recorded."""

from sessions.errors import WrongPasswordGiven
from sessions.logout import end_sessions
from sessions.mail import AccountChange, mail_account_changed
from sessions.models import EndReason, Session
from sessions.places import Place
from sessions.reauthentication import require_recent_password
from users.credentials import check_own_password, counted
from users.errors import NotYours, SecondFactorEnabled
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record
from users.second_factor.enabling import NewSecret, begin, confirm, disable, has_factor
from users.second_factor.recovery import count_recovery_codes
from users.transactions import in_transaction


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


def confirm_factor(
    user_id: str, *, code: str, end_others: bool = False, actor: User, current: Session, origin: Origin
) -> list[str]:
    """Switch the caller's second factor on, if ``code`` was made from their new secret.

    A wrong code counts like a failed log-in.

    Args: end_others: whether the caller's other sessions end, too.

    Returns: ten recovery codes. Raises: NotYours, SecondFactorEnabled, SecondFactorNotConfirmed, TooManyAttempts.
    """
    _require_self(user_id, actor)
    if has_factor(actor):
        raise SecondFactorEnabled

    @in_transaction
    def switch_on() -> list[str]:
        codes = confirm(actor, code)
        _note(Event.FACTOR_ENABLED, AccountChange.FACTOR_ENABLED, actor, current, end_others, origin)
        return codes

    with counted(actor, caller=Place.of(origin)):
        return switch_on()


def disable_factor(
    user_id: str, *, password: str, end_others: bool = False, actor: User, current: Session, origin: Origin
) -> None:
    """Switch the caller's second factor off. If it is off already, only the password is checked.

    Args: end_others: whether the caller's other sessions end, too.

    Raises: NotYours, WrongPasswordGiven, TooManyAttempts.
    """
    _require_self(user_id, actor)
    if not check_own_password(actor, password, caller=Place.of(origin)):
        raise WrongPasswordGiven

    @in_transaction
    def switch_off() -> None:
        if disable(actor):
            _note(Event.FACTOR_DISABLED, AccountChange.FACTOR_DISABLED, actor, current, end_others, origin)

    switch_off()


def note_recovery_code(user: User, *, origin: Origin) -> None:
    """Tell ``user`` by mail that a recovery code of theirs has let somebody in, and record it."""
    record(Event.RECOVERY_CODE_USED, user=user, actor=user, origin=origin, left=count_recovery_codes(user))
    mail_account_changed(user.email, AccountChange.RECOVERY_CODE)


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
    mail_account_changed(user.email, change)
