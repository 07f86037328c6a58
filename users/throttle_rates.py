"""How often something may be tried, unless THROTTLE_RATES says otherwise."""

# Times and seconds. For logins only failures count, for the others every call. A known place is a device or a network
# from which the user has logged in within 30 days. It has the limits that end in `_known`; other places have the rest.
DEFAULT_RATES = {
    "login": (10, 15 * 60),  # for one identity from one address
    "login_known": (20, 15 * 60),  # for one user from one known place
    "login_anywhere": (100, 60 * 60),  # for one identity; NIST SP 800-63B §5.2.2 allows a hundred
    "login_address": (300, 15 * 60),  # from one address, which a whole office may share
    "login_everybody": (20_000, 60 * 60),  # for all identities together, in one hour of the clock
    "second_factor": (20, 24 * 60 * 60),  # wrong codes of one user's app, with the right password
    "reset": (5, 60 * 60),  # codes mailed to one identity, to reset a password or to verify an email
    "reset_known": (5, 60 * 60),  # codes mailed to one user who asks from one known place
    "reset_staff": (30, 60 * 60),  # codes that one member of staff has mailed
    "reset_try": (20, 60 * 60),  # codes tried for one identity
    "reset_try_known": (20, 60 * 60),  # codes tried for one user from one known place
    "reset_try_everybody": (2000, 60 * 60),  # wrong codes for all identities together, in one hour of the clock
    "reset_address": (60, 60 * 60),  # codes mailed and codes tried, from one address
    "device": (600, 60 * 60),  # registrations from one address
    "crash_report": (60, 60 * 60),  # reports of one device
    "register": (60, 60 * 60),  # users registered from one address
}
