"""Count and log each log-in, and record and mail what is unusual about it."""

from contextlib import AbstractContextManager, nullcontext

from django.conf import settings
from django.db import transaction

from sessions.factor import note_recovery_code
from sessions.geography import judge_login
from sessions.jobs.deferring import after_commit
from sessions.mail import mail_login
from sessions.models import Session
from users.counting import session_opened
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.record.stream import log_entry
from users.second_factor.codes import Kind


def transaction_of_login(user: User) -> AbstractContextManager[None]:
    """Return a transaction for a log-in, if one statement is not enough for it."""
    may_mail = settings.NEW_DEVICE_MAIL and bool(user.email)
    is_one_statement = settings.GEOIP_PATH is None and user.shown_factor is not Kind.RECOVERY_CODE and not may_mail
    # savepoint=False: inside a caller's transaction this costs no extra round trips.
    return nullcontext() if is_one_statement else transaction.atomic(savepoint=False)


def tell_login(session: Session, user: User, origin: Origin, *, is_new: bool) -> None:
    """Count the session, log the record's entries that its statement has written, and tell what is unusual about it.

    Args: is_new: whether the device is new to the user.
    """
    session_opened()
    for event in (Event.LOGIN, Event.NEW_DEVICE) if is_new else (Event.LOGIN,):
        facts = {"user": user.pk, "actor": user.pk, "app": session.app_id}
        log_entry(event.value, event.outcome.value, session=session.pk, origin=origin, **facts)
    tell_unusual(session, user, origin, is_new=is_new)


def tell_unusual(session: Session, user: User, origin: Origin, *, is_new: bool) -> None:
    """Record and mail what is unusual about a log-in: its location, a recovery code, a new device."""
    judge_login(session, origin=origin)
    if user.shown_factor is Kind.RECOVERY_CODE:
        note_recovery_code(user, origin=origin)
    if settings.NEW_DEVICE_MAIL and (is_new or session.judgement) and user.email:
        after_commit(mail_login, str(session.pk), is_new, email=user.email, email_verified=user.email_verified)
