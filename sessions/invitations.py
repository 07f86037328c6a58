"""Invite people to the staff by mail. They choose their own password with a link that works once.

The account exists from the invitation on, without a password, so nobody can log in to it. It is pending until the link
has set one. Only superusers invite, send an invitation again and withdraw one: it gives powers to somebody.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from sessions.jobs.deferring import after_commit
from sessions.mail import mail_invitation, mail_new_staff
from sessions.passwords import password_change
from users.clock import database_now
from users.directory import change_user, create_user
from users.errors import LinkInvalid, UsersError
from users.models import OneUseLink, User, new_object_id
from users.one_use_links import Purpose, find_link, forget_links, make_link, use_link
from users.origin import Origin
from users.password_policy import check_new_password
from users.permissions import Act, require
from users.record.changes import powers_of, record_powers, record_user_changes
from users.record.events import Event
from users.record.masking import masked_email
from users.record.writing import By, record
from users.reset_codes import forget_code
from users.throttling import Allowance, count_attempt
from users.transactions import in_transaction

_NO_POWERS = {"is_staff": False, "is_superuser": False}


class CannotInvite(UsersError):
    """The invitation is refused. The text says why, to staff."""


@dataclass(frozen=True)
class Invitation:
    """An invited person and their role. ``groups``: ids. ``username``: "" if the person chooses it."""

    email: str
    name: str = ""
    username: str = ""
    is_superuser: bool = False
    groups: tuple[int, ...] = ()


def find_holder(email: str) -> User | None:
    """Return the user who has that email, in any case of letters. Deleted users have none."""
    return User.objects.filter(email__iexact=email, deleted_at=None).first()


def check_holder(holder: User) -> None:
    """Check that the user may become staff by an invitation to their email. Raises: CannotInvite."""
    if is_pending(holder):
        raise CannotInvite("This person has an invitation already. Send it again from the list of staff.")
    if holder.is_staff:
        raise CannotInvite(f"{holder.username} is staff already.")
    if not holder.is_active:
        raise CannotInvite(f"The account {holder.username} has this email and is disabled. Enable it first.")
    if not holder.email_verified:
        # Anybody can register with a stranger's email. Their account must not become staff.
        raise CannotInvite(
            f"The account {holder.username} has this email, but has not verified it. Somebody else may have registered "
            "it. Ask the person to verify the email first."
        )


def check_can_mail() -> None:
    """Check that a mail can have a link. Raises: CannotInvite."""
    if not settings.PUBLIC_URL:
        raise CannotInvite("The setting PUBLIC_URL is empty, so a mail can have no link.")


def _check_may_mail(actor: User) -> None:
    require(actor, Act.INVITE)
    check_can_mail()
    count_attempt(Allowance("reset_staff", actor.pk))


def is_pending(user: User) -> bool:
    """Return whether the user is staff who has never had a password, so they have never logged in."""
    return _pending().filter(pk=user.pk).exists()


def invite(invitation: Invitation, *, actor: User, origin: Origin, note: str = "") -> User:
    """Create an account without a password, and mail its link. It is recorded.

    Raises: NotYours, CannotInvite, TooManyAttempts, IdentityTaken (somebody took the email or the user name a moment
        ago). Then nothing is mailed.
    """
    _check_may_mail(actor)
    by: By = {"actor": actor, "origin": origin}
    facts = {"email": invitation.email, "name": invitation.name}

    @in_transaction
    def store() -> User:
        username = invitation.username or _free_username(invitation.email)
        user = create_user(username=username, password=None, by=by, **facts)
        _give_powers(user, invitation, by)
        _mail_link(user, by, note)
        return user

    return store()


@in_transaction
def promote(user_id: str, invitation: Invitation, *, actor: User, origin: Origin, note: str = "") -> User:
    """Make the user who has the invitation's email staff, and tell them by mail. It is recorded.

    Raises: NotYours, CannotInvite.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    require(actor, Act.CHANGE_POWERS, user)
    require(actor, Act.INVITE)
    if user.deleted_at is not None or (user.email or "").upper() != invitation.email.upper():
        raise CannotInvite("The account has changed meanwhile. Begin again.")
    check_holder(user)
    by: By = {"actor": actor, "origin": origin}
    _give_powers(user, invitation, by)
    record(Event.INVITED, user=user, email=masked_email(user.email), note=note, **by)
    after_commit(mail_new_staff, user.email or "")
    return user


def send_again(user_id: str, *, actor: User, origin: Origin, note: str = "") -> User:
    """Mail a new link to a user whose invitation is pending. Earlier links no longer work. Raises: like `invite`."""
    _check_may_mail(actor)

    @in_transaction
    def store() -> User:
        user = _lock_pending(user_id)
        if not user.email:
            raise CannotInvite(f"{user.username} has no email.")
        forget_links(user.pk, purpose=Purpose.INVITATION)
        _mail_link(user, {"actor": actor, "origin": origin}, note)
        return user

    return store()


@in_transaction
def withdraw(user_id: str, *, actor: User, origin: Origin, note: str = "") -> User:
    """Take a pending invitation back: its links die and its account, which nobody has used, is deleted.

    The email and the user name are free again. Raises: NotYours, CannotInvite.
    """
    require(actor, Act.INVITE)
    user = _lock_pending(user_id)
    by: By = {"actor": actor, "origin": origin}
    forget_links(user.pk)
    forget_code(user.pk)
    _change_powers(user, _NO_POWERS, (), by)
    now = database_now()
    User.objects.filter(pk=user.pk).update(deleted_at=now, updated_at=now)
    record(Event.INVITATION_WITHDRAWN, user=user, note=note, **by)
    record(Event.USER_DELETED, user=user, **by)
    return user


def find_invited(token: str) -> OneUseLink | None:
    """Return the link of an invitation that can be accepted now, with its user. It changes nothing."""
    link = find_link(token, Purpose.INVITATION)
    return link if link is not None and is_open(link) else None


def accept(link: OneUseLink, *, username: str, password: str, origin: Origin) -> User:
    """Set the user name and the password of an invited user. The link is used up in the same transaction.

    Raises: PasswordRefused, IdentityTaken, LinkInvalid. Then nothing changes.
    """
    user = link.user
    check_new_password(password, user=User(username=username, name=user.name, email=user.email))
    whose, new_hash = User.objects.filter(pk=user.pk), make_password(password)

    @in_transaction
    def store() -> None:
        locked = whose.select_for_update(no_key=True).get()
        if not is_open(link):
            raise LinkInvalid
        use_link(link)
        forget_links(user.pk, purpose=Purpose.INVITATION)
        by: By = {"actor": locked, "origin": origin}
        if username != locked.username:
            change_user(locked, by=by, username=username)
        with password_change(whose, actor=locked, origin=origin, event=Event.INVITATION_ACCEPTED):
            whose.update(password=new_hash, email_verified=True)
            if not locked.email_verified:
                record(Event.EMAIL_VERIFIED, user=locked, email=masked_email(locked.email), **by)

    store()
    return User.objects.get(pk=user.pk)


def _pending() -> QuerySet[User]:
    # A trigger sets `password_changed_at` whenever the password changes, and nothing empties it.
    never_had_one = {"password__startswith": UNUSABLE_PASSWORD_PREFIX, "password_changed_at": None}
    return User.objects.filter(**never_had_one, is_staff=True, deleted_at=None)


def is_open(link: OneUseLink) -> bool:
    """Return whether the link's user is still invited, by the email to which the link was mailed."""
    return _pending().filter(pk=link.user_id, is_active=True, email__iexact=link.address).exists()


def _lock_pending(user_id: str) -> User:
    User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    user = _pending().filter(pk=user_id).first()
    if user is None:
        raise CannotInvite("There is no invitation any more: it was accepted or withdrawn.")
    return user


def _give_powers(user: User, invitation: Invitation, by: By) -> None:
    powers = {"is_staff": True, "is_superuser": invitation.is_superuser}
    _change_powers(user, powers, () if invitation.is_superuser else invitation.groups, by)


def _change_powers(user: User, powers: dict[str, bool], groups: tuple[int, ...], by: By) -> None:
    old, columns = powers_of(user), {name: getattr(user, name) for name in powers}
    User.objects.filter(pk=user.pk).update(**powers)
    user.groups.set(Group.objects.filter(pk__in=groups))
    record_user_changes(user, columns, powers, **by)
    record_powers(user, old, **by)


def _mail_link(user: User, by: By, note: str) -> None:
    address = user.email or ""
    token = make_link(user, purpose=Purpose.INVITATION, address=address)
    record(Event.INVITED, user=user, email=masked_email(address), note=note, **by)
    after_commit(mail_invitation, address, token)


def _free_username(email: str) -> str:
    """Return a user name that nobody has. The person may choose another one."""
    wanted = User.normalize_username(email.partition("@")[0])[:100]
    is_taken = User.objects.filter(username__iexact=wanted, deleted_at=None).exists()
    return f"{wanted}-{new_object_id()[-6:]}" if is_taken else wanted
