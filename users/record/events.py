"""The events that the record tells."""

from django.db import models


class Outcome(models.TextChoices):
    """Whether it was done. Stored and logged: add values, never rename one."""

    DONE = "done", "done"
    REFUSED = "refused", "refused"


class Kind(models.TextChoices):
    """A group of events, to filter by."""

    LOGINS = "logins", "log-ins"
    ACCOUNT = "account", "account"
    FACTOR = "factor", "second factor"
    APPS = "apps", "apps and groups"
    ORDERS = "orders", "orders of staff"


class Event(models.TextChoices):
    """What happened. Stored and logged: add values, never rename one. Each label is a whole clause."""

    LOGIN = "login", "there was a log-in"
    LOGIN_REFUSED = "login_refused", "a log-in was refused"
    LOCKED_OUT = "locked_out", "too many attempts were made, and more are refused for a while"
    NEW_DEVICE = "new_device", "there was a log-in on a new device"
    LOGIN_JUDGED = "login_judged", "there was a log-in from an unusual place"
    REFRESH_REUSED = "refresh_reused", "a refresh token was used twice, and its session ended"
    REVOKED = "revoked", "a session was ended by another service"
    PASSWORD_REFUSED = "password_refused", "a wrong password was given to confirm an act"
    RESET_ASKED = "reset_asked", "a password reset was asked for"
    RESET_REFUSED = "reset_refused", "a wrong reset code was given"
    RESET_USED = "reset_used", "the password was reset by a code"

    NOT_ME = "not_me", "the user said that it was somebody else"

    EMAIL_CHANGED = "email_changed", "the email was changed"
    EMAIL_VERIFIED = "email_verified", "the email was verified"
    PHONE_CHANGED = "phone_changed", "the phone number was changed"
    USERNAME_CHANGED = "username_changed", "the user name was changed"
    NAME_CHANGED = "name_changed", "the name was changed"
    PROFILE_CHANGED = "profile_changed", "the profile was changed"
    PASSWORD_CHANGED = "password_changed", "the password was changed"
    ROLE_CHANGED = "role_changed", "the role was changed"
    RIGHTS_CHANGED = "rights_changed", "staff status or permissions were changed"
    GROUPS_CHANGED = "groups_changed", "the groups were changed"

    FACTOR_ENABLED = "factor_enabled", "the second factor was switched on"
    FACTOR_DISABLED = "factor_disabled", "the second factor was switched off"
    FACTOR_REFUSED = "factor_refused", "a wrong code of the second factor was given"
    RECOVERY_CODE_USED = "recovery_code_used", "a recovery code was used"
    RECOVERY_CODES_MADE = "recovery_codes_made", "new recovery codes were made"

    DEVICE_TOKEN_GONE = "device_token_gone", "a device was reported as out of reach, and its pushes stopped"

    USER_CREATED = "user_created", "the account was created"
    INVITED = "invited", "an invitation to the staff was mailed"
    INVITATION_ACCEPTED = "invitation_accepted", "the invitation to the staff was accepted"
    INVITATION_WITHDRAWN = "invitation_withdrawn", "the invitation to the staff was withdrawn"
    USER_DELETED = "user_deleted", "the account was deleted"
    USER_DISABLED = "user_disabled", "the account was disabled"
    USER_ENABLED = "user_enabled", "the account was enabled"

    APP_CREATED = "app_created", "an app was created"
    APP_CHANGED = "app_changed", "an app was changed"
    APP_SWITCHED_OFF = "app_switched_off", "an app was switched off"
    APP_SWITCHED_ON = "app_switched_on", "an app was switched on"
    APP_CUT_OFF = "app_cut_off", "all sessions of an app were ended"
    APP_KEY_ROTATED = "app_key_rotated", "an app got a new key"
    APP_KEY_ENDED = "app_key_ended", "the previous key of an app was ended"

    SIGNING_KEYS_CHANGED = "signing_keys_changed", "the keys that sign tokens were changed"
    SIGNING_KEYS_LEAKED = "signing_keys_leaked", "the keys that sign tokens were reported as leaked"

    SESSIONS_ENDED = "sessions_ended", "sessions were ended"
    BULK_ORDER = "bulk_order", "an order to end sessions was given"
    RUN_STOPPED = "run_stopped", "a bulk run was stopped"
    RUN_CONTINUED = "run_continued", "a stopped bulk run was continued"
    RECORD_EXPORTED = "record_exported", "the record was exported"
    LIST_EXPORTED = "list_exported", "a list was exported"
    GROUP_CREATED = "group_created", "a group was created"
    GROUP_CHANGED = "group_changed", "a group was changed"
    GROUP_DELETED = "group_deleted", "a group was deleted"

    @property
    def outcome(self) -> Outcome:
        return Outcome.REFUSED if self in _REFUSED else Outcome.DONE

    @property
    def kind(self) -> Kind:
        return next((kind for kind, events in _KINDS.items() if self in events), Kind.ACCOUNT)


def events_of(kind: Kind) -> list[Event]:
    return [event for event in Event if event.kind is kind]


_REFUSED = frozenset(
    {
        Event.LOGIN_REFUSED,
        Event.LOCKED_OUT,
        Event.REFRESH_REUSED,
        Event.PASSWORD_REFUSED,
        Event.RESET_REFUSED,
        Event.FACTOR_REFUSED,
    }
)
# All other events are about the account.
_KINDS = {
    Kind.LOGINS: {
        Event.LOGIN,
        Event.LOGIN_REFUSED,
        Event.LOCKED_OUT,
        Event.NEW_DEVICE,
        Event.LOGIN_JUDGED,
        Event.REFRESH_REUSED,
        Event.REVOKED,
        Event.PASSWORD_REFUSED,
    },
    Kind.FACTOR: {
        Event.FACTOR_ENABLED,
        Event.FACTOR_DISABLED,
        Event.FACTOR_REFUSED,
        Event.RECOVERY_CODE_USED,
        Event.RECOVERY_CODES_MADE,
    },
    Kind.APPS: {
        Event.APP_CREATED,
        Event.APP_CHANGED,
        Event.APP_SWITCHED_OFF,
        Event.APP_SWITCHED_ON,
        Event.APP_CUT_OFF,
        Event.APP_KEY_ROTATED,
        Event.APP_KEY_ENDED,
        Event.GROUP_CREATED,
        Event.GROUP_CHANGED,
        Event.GROUP_DELETED,
    },
    Kind.ORDERS: {
        Event.SIGNING_KEYS_CHANGED,
        Event.SIGNING_KEYS_LEAKED,
        Event.SESSIONS_ENDED,
        Event.BULK_ORDER,
        Event.RUN_STOPPED,
        Event.RUN_CONTINUED,
        Event.RECORD_EXPORTED,
        Event.LIST_EXPORTED,
    },
}
