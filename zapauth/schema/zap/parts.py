"""The parts that several of ZAP's operations share: tags, examples, errors, sentences."""

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from users.errors import IdentityTaken, NotYours, TooManyAttempts, UserNotFound
from zapauth.schema.operations import OBJECT_ID, link
from zapauth.shapes import Schema

USERS, LOGIN, LOGOUT, PASSWORDS = "ZAP: users", "ZAP: login", "ZAP: logout", "ZAP: passwords"
EMAILS, SECOND_FACTOR, NOTIFICATIONS = "ZAP: emails", "ZAP: second factor", "ZAP: notifications"

TOO_SHORT = "This password is too short. It must contain at least 8 characters."
TAKEN = (IdentityTaken("username"), IdentityTaken("email"), IdentityTaken("phone_number"))
OF_ANOTHER = (NotYours(), UserNotFound())
# The errors of calls that need a recent login or the password.
UNCONFIRMED = (ReauthenticationRequired(), WrongPasswordGiven(), TooManyAttempts(300))
CONFIRMED = (
    " {} needs a login of this session within the last ten minutes (`REAUTHENTICATION_WINDOW`), or the caller's"
    " `password` in the same call."
)
OWN_OR_STAFF = (
    "The id is the caller's own; staff with `{}` may use any id. Others get a 403 for any other id, known or not."
)

# From the documentation of ZAP's logout.
EXAMPLE_DEVICE_TOKEN = (
    "fgYo5k5yrt9KaswddR4s5:APA91bFqeRBWioAOysyHLdLn5D--R36Izk5cXF0E-5nIdai-IrOw1bWv-O0BV6RQMLXJyAU8Gh27g6u573B1m"
    "I01-HEla5_Xat-r02nPKxJHEXwZtbZDzlf4o_fCR7XdN0ZHNuIZswaiLMK"
)
EXAMPLE_USER = {
    "id": OBJECT_ID,
    "name": "Ann Example",
    "username": "ann",
    "email": "ann@example.org",
    "phoneNumber": "+15550100",
    "roleId": "63fc98989ffb63cf5cdd0587",
    "iPAddress": ["192.0.2.1"],
    "emailVerified": False,
    "createdAt": "2023-02-27T16:57:05.913Z",
    "updatedAt": "2023-02-27T16:57:05.913Z",
}
EXAMPLE_SESSION = {
    "id": "0190b5ea-7a1c-7d52-8f6a-3f1f4a0c9a11",
    "current": True,
    "app": "ZAP",
    "platform": "iOS",
    "device": None,
    "hasDeviceToken": True,
    "iPAddress": "192.0.2.1",
    "country": "DE",
    "city": "Berlin",
    "userAgent": "Zap/4.2 (iPhone; iOS 17.1)",
    "createdAt": "2023-02-27T16:57:05.913Z",
    "lastSeenAt": "2023-02-27T17:02:11.004Z",
    "expiresAt": "2023-03-29T16:57:05.913Z",
}


def links_of(user_id: str) -> dict[str, Schema]:
    return {
        "getUser": link("zapGetUser", id=user_id),
        "changeUser": link("zapChangeUser", id=user_id),
        "deleteUser": link("zapDeleteUser", id=user_id),
        "listSessions": link("zapListSessions", id=user_id),
    }
