"""Buddy's routes, in words: what the code does not say of them."""

from sessions.errors import DeviceInUse, ReauthenticationRequired
from users.errors import (
    AccountDisabled,
    BadAppCredentials,
    BadCredentials,
    CodeInvalid,
    IdentityTaken,
    NotYours,
    PasswordRefused,
    RegistrationClosed,
    TooManyAttempts,
    UserNotFound,
)
from users.models import CrashReport
from zapauth.buddy.errors import IdInvalid
from zapauth.buddy.serializers import (
    BuddyInput,
    ConfirmedInput,
    CrashReportInput,
    DeviceChangeInput,
    DeviceInput,
    LoginInput,
    RegistrationInput,
    ResetInput,
    ResetRequestInput,
    UserChangeInput,
    UserListInput,
)
from zapauth.schema.operations import OBJECT_ID, PASSWORD, TOKEN, Operation, Schema, constant, link, ref

DEVICES, USERS, LOGIN, PASSWORDS, SERVICE = (
    f"Buddy: {subject}" for subject in ("devices", "users", "login and logout", "passwords", "service")
)

_ANY_TOKEN = "With a token of either level."
_USER_TOKEN = "With a user-level token."
_TOO_SHORT = "This password is too short. It must contain at least 8 characters."
_OF_ANOTHER = (IdInvalid(), NotYours(), UserNotFound())
# Of what needs a recent password.
_UNCONFIRMED = (ReauthenticationRequired(), TooManyAttempts(300))
_CONFIRMED = (
    " {} needs a log-in of this session within the last ten minutes (`REAUTHENTICATION_WINDOW`), or the caller's"
    " `password` along with it."
)
_ANOTHER_NAME = (
    " Another email is answered from now on, and a code is mailed to it. It resets the password once that code has been"
    " given to `POST /v1/otp/verify`; until then the email before it does, which is told of the change."
    + _CONFIRMED.format("Another email or user name")
)

# Of the second seed document.
_EXPIRES = "/Date(1423002218900)/"
_GRANT = {"accessToken": TOKEN, "accessTokenExpires": _EXPIRES}
_USER = {
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
_DEVICE = {
    "id": OBJECT_ID,
    "uniqueId": "7f6a3f1f",
    "platform": "Android",
    "model": "Pixel 8",
    "osVersion": "14",
    "appVersion": "4.2",
    "created": "/Date(1420410218900)/",
    "lastModified": "/Date(1420410218900)/",
}
_CHANGES = {"firstName": "Ann", "dateOfBirth": "/Date(636595200000)/", "location": "47.61, -122.33"}
_AS_USER: dict[str, Schema] = {
    "getUser": link("buddyGetUser", id="$response.body#/result/id"),
    "changeUser": link("buddyChangeUser", id="$response.body#/result/id"),
    "deleteUser": link("buddyDeleteUser", id="$response.body#/result/id"),
    "logOut": link("buddyLogOut"),
}
_LOG_IN = link(
    "buddyLogIn", body={"username": "$response.body#/result/userName", "password": "$request.body#/password"}
)

OPERATIONS: dict[str, Operation] = {
    "POST /devices": Operation(
        id="buddyRegisterDevice",
        tag=DEVICES,
        summary="Register a device",
        description="No token. The same `uniqueId` is the same device; the app-level tokens that it has stay good.",
        takes=DeviceInput,
        given={"appId": OBJECT_ID, "appKey": "v0ncOEJqVmWoP7V94A7ie7800QTrwk01vcQB4Vc-dWo", "platform": "Android"},
        status=201,
        answers=ref("BuddyDeviceGrant"),
        example=_GRANT,
        raises=[BadAppCredentials(), TooManyAttempts(300)],
        links={"register": link("buddyRegister"), "changeDevice": link("buddyChangeDevice")},
    ),
    "PATCH /devices/current": Operation(
        id="buddyChangeDevice",
        tag=DEVICES,
        summary="Change the device of the token",
        description=_ANY_TOKEN + " While a user is logged in on the device, only with theirs."
        ' `pushToken: ""` takes the push address away. With an app-level token the answer has no `tag` and no'
        " `location` but those of the call.",
        takes=DeviceChangeInput,
        given={"pushToken": "fgYo5k5yrt9KaswddR4s5:APA91bFq", "osVersion": "14"},
        answers=ref("BuddyDevice"),
        example=_DEVICE,
        raises=[DeviceInUse()],
    ),
    "POST /devices/current/crashreports": Operation(
        id="buddyReportCrash",
        tag=DEVICES,
        summary="Report a crash",
        description=_ANY_TOKEN + " Staff read it on the page of the device, for 30 days by default.",
        takes=CrashReportInput,
        given={"stackTrace": "at Sample.Main()", "message": "Object reference not set"},
        status=201,
        answers=constant(True),
        example=True,
        raises=[TooManyAttempts(300)],
    ),
    "POST /users": Operation(
        id="buddyRegister",
        tag=USERS,
        summary="Register, and log in",
        description=_ANY_TOKEN + " With an email, a code is mailed to it: `POST /v1/otp/verify`, a route of ZAP's that"
        " takes no token, verifies the email by it, `POST /v1/otp/resend` mails another one.",
        takes=RegistrationInput,
        given={"username": "ann", "password": PASSWORD, "email": "ann@example.org"},
        answers=ref("BuddyLoggedInUser"),
        example=_USER | _GRANT,
        raises=[
            RegistrationClosed(),
            PasswordRefused("password", [_TOO_SHORT]),
            IdentityTaken("username"),
            TooManyAttempts(300),
        ],
        links=_AS_USER | {"logIn": _LOG_IN},
    ),
    "GET /users": Operation(
        id="buddyListUsers",
        tag=USERS,
        summary="List the users that the caller may see",
        description=_USER_TOKEN + " Themselves; all users, newest first, for staff with `users.view_user`.",
        takes=UserListInput,
        answers=ref("BuddyUserList"),
        example={"pageResults": [_USER], "currentToken": "WyJmaXJzdCIsMjAsbnVsbF0:1w1Yx3:RkZtYg"},
        links={
            "nextPage": link("buddyListUsers", pagingToken="$response.body#/result/nextToken"),
            "getUser": link("buddyGetUser", id="$response.body#/result/pageResults/0/id"),
        },
    ),
    "GET /users/me": Operation(
        id="buddyGetOwnUser",
        tag=USERS,
        summary="See oneself",
        description=_USER_TOKEN,
        takes=BuddyInput,
        answers=ref("BuddyUser"),
        example=_USER,
        links={name: each for name, each in _AS_USER.items() if name != "logOut"},
    ),
    "PATCH /users/me": Operation(
        id="buddyChangeOwnUser",
        tag=USERS,
        summary="Change oneself",
        description=_USER_TOKEN + _ANOTHER_NAME,
        takes=UserChangeInput,
        given=_CHANGES,
        answers=constant(True),
        example=True,
        raises=[IdentityTaken("username"), *_UNCONFIRMED],
    ),
    "DELETE /users/me": Operation(
        id="buddyDeleteOwnUser",
        tag=USERS,
        summary="Delete oneself",
        description=_USER_TOKEN + " All sessions end, and the name is free again." + _CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant(True),
        example=True,
        raises=_UNCONFIRMED,
    ),
    "GET /users/{id}": Operation(
        id="buddyGetUser",
        tag=USERS,
        summary="See a user",
        description=_USER_TOKEN + " One's own id, or staff with `users.view_user`.",
        takes=BuddyInput,
        answers=ref("BuddyUser"),
        example=_USER,
        raises=_OF_ANOTHER,
    ),
    "PATCH /users/{id}": Operation(
        id="buddyChangeUser",
        tag=USERS,
        summary="Change a user",
        description=_USER_TOKEN + " One's own id, or staff with `users.change_user`." + _ANOTHER_NAME,
        takes=UserChangeInput,
        given=_CHANGES,
        answers=constant(True),
        example=True,
        raises=[*_OF_ANOTHER, IdentityTaken("username"), *_UNCONFIRMED],
    ),
    "DELETE /users/{id}": Operation(
        id="buddyDeleteUser",
        tag=USERS,
        summary="Delete a user",
        description=_USER_TOKEN
        + " One's own id, or staff with `users.delete_user`. All sessions of the user end."
        + _CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant(True),
        example=True,
        raises=[*_OF_ANOTHER, *_UNCONFIRMED],
    ),
    "POST /users/login": Operation(
        id="buddyLogIn",
        tag=LOGIN,
        summary="Log in",
        description=_ANY_TOKEN + " With the user's own token their session goes on; with another user's, that session"
        " ends. App-level tokens stay good.",
        takes=LoginInput,
        given={"username": "ann", "password": PASSWORD},
        answers=ref("BuddyLoggedInUser"),
        example=_USER | _GRANT,
        raises=[BadCredentials(), AccountDisabled(), TooManyAttempts(300)],
        links=_AS_USER,
    ),
    "POST /users/me/logout": Operation(
        id="buddyLogOut",
        tag=LOGIN,
        summary="Log out",
        description=_USER_TOKEN + " It is refused from now on. The answer is an app-level token for the same app and"
        " device. A body is not needed.",
        takes=BuddyInput,
        answers=ref("BuddyGrant"),
        example=_GRANT,
        links={"register": link("buddyRegister")},
    ),
    "POST /users/password": Operation(
        id="buddyAskForResetCode",
        tag=PASSWORDS,
        summary="Have a code mailed",
        description=_ANY_TOKEN + " The answer is the same whether or not there is such a user. `subject` and `body` may"
        " come along and change nothing.",
        takes=ResetRequestInput,
        given={"userName": "ann"},
        answers=constant(True),
        example=True,
        raises=[TooManyAttempts(300)],
        links={"resetPassword": link("buddyResetPassword", body={"userName": "$request.body#/userName"})},
    ),
    "PATCH /users/password": Operation(
        id="buddyResetPassword",
        tag=PASSWORDS,
        summary="Set a new password by the code",
        description=_ANY_TOKEN + " All sessions of the user end. A code lives for 10 minutes, and works once.",
        takes=ResetInput,
        given={"userName": "ann", "resetCode": "3f9a 1c07 b2e4", "newPassword": "battery-staple-2"},
        answers=constant(True),
        example=True,
        raises=[PasswordRefused("new_password", [_TOO_SHORT]), CodeInvalid(), TooManyAttempts(300)],
    ),
    "GET /service/ping": Operation(
        id="buddyPing",
        tag=SERVICE,
        summary="Is it there?",
        description="With or without a token.",
        answers=constant("Pong"),
        example="Pong",
    ),
}

NOTES: dict[str, Schema] = {
    "location": {"description": "Latitude and longitude in degrees; it can come with any call."},
    "uniqueId": {"type": ["string", "number"], "description": "Of this installation of the app."},
    "pushToken": {"description": "The push address (FCM registration token, APNs device token)."},
    "deviceToken": {"description": "The iOS client's name for `pushToken`."},
    "platform": {"description": "Such as `iOS` or `Android`."},
    "gender": {"description": "`male` or `female` in any case; .NET's 0 (unknown), 1 (male), 2 (female)."},
    "dateOfBirth": {
        "description": "UTC where it names no zone.",
        "examples": [
            *("/Date(636595200000)/", "1990-03-05", "1990-03-05T00:00:00Z"),
            *("Mar 5, 1990 12:00:00 AM", "Mar 5, 1990, 12:00:00 AM"),
        ],
    },
    "stackTrace": {"description": f"What is longer than {CrashReport.STACK_TRACE_LENGTH:,} characters is cut."},
    "message": {"description": f"What is longer than {CrashReport.MESSAGE_LENGTH:,} characters is cut."},
    "methodName": {"description": f"What is longer than {CrashReport.METHOD_NAME_LENGTH} characters is cut."},
    "limit": {"description": "Users on a page, 20 by default."},
    "pagingToken": {
        "format": "buddy-paging-token",
        "description": "Opaque: a `nextToken`, `previousToken` or `currentToken` of an answer.",
    },
    "resetCode": {
        "description": "The code that was mailed: 12 hexadecimal digits in any case, with blanks or hyphens or without."
    },
}
