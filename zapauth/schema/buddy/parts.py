"""The parts that several of Buddy's operations share: tags, examples, errors, sentences."""

from sessions.errors import ReauthenticationRequired
from users.errors import NotYours, TooManyAttempts, UserNotFound
from zapauth.buddy.errors import IdInvalid
from zapauth.schema.operations import OBJECT_ID, TOKEN, link
from zapauth.shapes import Schema

DEVICES, USERS, LOGIN, PASSWORDS, SERVICE = (
    f"Buddy: {subject}" for subject in ("devices", "users", "login and logout", "passwords", "service")
)

ANY_TOKEN = "Takes a token of either level."
USER_TOKEN = "Takes a user-level token."
TOO_SHORT = "This password is too short. It must contain at least 8 characters."
OF_ANOTHER = (IdInvalid(), NotYours(), UserNotFound())
# The errors of calls that need a recent login or the password.
UNCONFIRMED = (ReauthenticationRequired(), TooManyAttempts(300))
CONFIRMED = (
    " {} needs a login of this session within the last ten minutes (`REAUTHENTICATION_WINDOW`), or the caller's"
    " `password` in the same call."
)
# From the documentation of Buddy's logout.
_EXPIRES = "/Date(1423002218900)/"
EXAMPLE_GRANT = {"accessToken": TOKEN, "accessTokenExpires": _EXPIRES}
EXAMPLE_USER = {
    "id": OBJECT_ID,
    "userName": "ann",
    "firstName": "Ann",
    "email": "ann@example.org",
    "gender": "Female",
    "dateOfBirth": "/Date(636595200000)/",
    "lastLogin": "/Date(1420410218900)/",
    "created": "/Date(1420410218900)/",
    "lastModified": "/Date(1420410218900)/",
    "location": {"lat": 47.61, "lng": -122.33},
}
EXAMPLE_DEVICE = {
    "id": OBJECT_ID,
    "uniqueId": "7f6a3f1f",
    "platform": "Android",
    "model": "Pixel 8",
    "osVersion": "14",
    "appVersion": "4.2",
    "created": "/Date(1420410218900)/",
    "lastModified": "/Date(1420410218900)/",
}
AS_USER: dict[str, Schema] = {
    "getUser": link("buddyGetUser", id="$response.body#/result/id"),
    "changeUser": link("buddyChangeUser", id="$response.body#/result/id"),
    "deleteUser": link("buddyDeleteUser", id="$response.body#/result/id"),
    "logOut": link("buddyLogOut"),
}
