"""ZAP's routes, in words: what the code does not say of them."""

from typing import Any

from sessions.errors import (
    ReauthenticationRequired,
    SessionEnded,
    SessionNotFound,
    TokenExpired,
    TokenInvalid,
    WrongPasswordGiven,
)
from users.errors import (
    AccountDisabled,
    AppInactive,
    BadCredentials,
    CodeInvalid,
    EmailMismatch,
    IdentityTaken,
    NoSmsGateway,
    NotYours,
    PasswordRefused,
    RegistrationClosed,
    TooManyAttempts,
    UserNotFound,
    WrongPassword,
)
from zapauth.schema.operations import OBJECT_ID, PASSWORD, TOKEN, Operation, Schema, closed, constant, link, ref
from zapauth.schema.zap_shapes import COUNT
from zapauth.zap.serializers import (
    CodeAgainInput,
    CodeInput,
    ConfirmedInput,
    LoginInput,
    LogoutInput,
    PasswordChangeInput,
    PhoneChangeInput,
    RefreshInput,
    ResetInput,
    ResetRequestInput,
    ScopeInput,
    StaffRegistrationInput,
    StaffUserChangeInput,
    UserListInput,
    VerificationInput,
)

USERS, LOGIN, LOGOUT, PASSWORDS = "ZAP: users", "ZAP: login", "ZAP: logout", "ZAP: passwords"
EMAILS = "ZAP: emails"

_TOO_SHORT = "This password is too short. It must contain at least 8 characters."
_REFUSED = PasswordRefused("new_password", [_TOO_SHORT])
_TAKEN = (IdentityTaken("username"), IdentityTaken("email"), IdentityTaken("phone_number"))
_OF_ANOTHER = (NotYours(), UserNotFound())
# Of what needs a recent password.
_UNCONFIRMED = (ReauthenticationRequired(), WrongPasswordGiven(), TooManyAttempts(300))
_CONFIRMED = (
    " {} needs a log-in of this session within the last ten minutes (`REAUTHENTICATION_WINDOW`), or the caller's"
    " `password` along with it."
)
_OWN_OR_STAFF = "One's own, or staff who may (`{}`): to others an unknown id is as forbidden as somebody else's."

# Of the first seed document.
_DEVICE_TOKEN = (
    "fgYo5k5yrt9KaswddR4s5:APA91bFqeRBWioAOysyHLdLn5D--R36Izk5cXF0E-5nIdai-IrOw1bWv-O0BV6RQMLXJyAU8Gh27g6u573B1m"
    "I01-HEla5_Xat-r02nPKxJHEXwZtbZDzlf4o_fCR7XdN0ZHNuIZswaiLMK"
)
_USER = {
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
_SESSION = {
    "id": "0190b5ea-7a1c-7d52-8f6a-3f1f4a0c9a11",
    "current": True,
    "app": "ZAP",
    "platform": "iOS",
    "device": None,
    "hasDeviceToken": True,
    "iPAddress": "192.0.2.1",
    "userAgent": "Zap/4.2 (iPhone; iOS 17.1)",
    "createdAt": "2023-02-27T16:57:05.913Z",
    "lastSeenAt": "2023-02-27T17:02:11.004Z",
    "expiresAt": "2023-03-29T16:57:05.913Z",
}
_LOGGED_OUT: dict[str, Any] = {
    "tag": LOGOUT,
    "answers": constant("Logout Successfull"),
    "example": "Logout Successfull",
}


def _links_of(user_id: str) -> dict[str, Schema]:
    return {
        "getUser": link("zapGetUser", id=user_id),
        "changeUser": link("zapChangeUser", id=user_id),
        "deleteUser": link("zapDeleteUser", id=user_id),
        "listSessions": link("zapListSessions", id=user_id),
    }


_LOGGED_IN = "$response.body#/data/data/id"

OPERATIONS: dict[str, Operation] = {
    "POST /v1/users": Operation(
        id="zapRegister",
        tag=USERS,
        summary="Register",
        description="Without a token; staff with `users.add_user` register others, and may when registration is closed."
        " `referralCode` may come along and changes nothing. A code to verify the email is mailed to it.",
        takes=StaffRegistrationInput,
        given={"username": "ann", "email": "ann@example.org", "password": PASSWORD, "phoneNumber": "+15550100"},
        status=201,
        answers=ref("ZapUser"),
        example=_USER | {"roleId": None},
        raises=[RegistrationClosed(), PasswordRefused("password", [_TOO_SHORT]), *_TAKEN, TooManyAttempts(300)],
        links={
            "logIn": link(
                "zapLogIn", body={"identity": "$response.body#/data/username", "password": "$request.body#/password"}
            )
        },
    ),
    "GET /v1/users": Operation(
        id="zapListUsers",
        tag=USERS,
        summary="List users",
        description="For staff with `users.view_user`. Newest first, without the deleted ones. A parameter that is"
        " empty is left out.",
        takes=UserListInput,
        answers=ref("ZapUserList"),
        example={"userData": [_USER], "bodyLimit": 10, "pageLimit": 1, "dataCount": 1},
        raises=[NotYours()],
        links={"getUser": link("zapGetUser", id="$response.body#/data/userData/0/id")},
    ),
    "GET /v1/users/token": Operation(
        id="zapGetOwnUser",
        tag=USERS,
        summary="See whose token this is",
        answers=ref("ZapOwnUser"),
        example=_USER | {"twoFA": {"secret": "", "enabled": False}, "userAgent": ["Zap/4.2 (iPhone; iOS 17.1)"]},
        links=_links_of("$response.body#/data/id"),
    ),
    "GET /v1/users/{id}": Operation(
        id="zapGetUser",
        tag=USERS,
        summary="See a user",
        description=_OWN_OR_STAFF.format("users.view_user") + " Staff see deleted users, too.",
        answers=ref("ZapUser"),
        example=_USER,
        raises=_OF_ANOTHER,
    ),
    "PUT /v1/users/{id}": Operation(
        id="zapChangeUser",
        tag=USERS,
        summary="Change a user",
        description=_OWN_OR_STAFF.format("users.change_user")
        + " What is not in the body stays. A phone number or name that is null is taken away. Staff, superusers and"
        " holders of any permission are changed by superusers only. `roleId` of oneself is ignored. Another email"
        " is answered from now on, with `emailVerified` false, and a code is"
        " mailed to it. It counts for log-in and reset once `POST /v1/otp/verify` has been given that code. Until then"
        " the email before it counts, and is told of the change. A new password drops one that is not verified yet."
        + _CONFIRMED.format("Another email, user name or phone number"),
        takes=StaffUserChangeInput,
        given={"name": "Ann Example", "phoneNumber": None},
        answers=ref("ZapUser"),
        example=_USER | {"phoneNumber": None},
        raises=[*_OF_ANOTHER, *_TAKEN, *_UNCONFIRMED],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$response.body#/data/email"})},
    ),
    "PUT /v1/users/updatePhone/{id}": Operation(
        id="zapUpdatePhone",
        tag=USERS,
        summary="Change a phone number",
        description=_OWN_OR_STAFF.format("users.change_user") + _CONFIRMED.format("Another phone number"),
        takes=PhoneChangeInput,
        given={"phoneNumber": "+15550100"},
        answers=ref("ZapUser"),
        example=_USER,
        raises=[*_OF_ANOTHER, IdentityTaken("phone_number"), *_UNCONFIRMED],
    ),
    "DELETE /v1/users/{id}": Operation(
        id="zapDeleteUser",
        tag=USERS,
        summary="Delete a user",
        description=_OWN_OR_STAFF.format("users.delete_user")
        + " All their sessions end; name, email and phone number are free again. Staff, superusers and"
        " holders of any permission are deleted by superusers only." + _CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant("User deleted successfully"),
        example="User deleted successfully",
        raises=[*_OF_ANOTHER, *_UNCONFIRMED],
    ),
    "POST /v1/login": Operation(
        id="zapLogIn",
        tag=LOGIN,
        summary="Log in",
        description="By `identity` or `email`. With a `deviceToken`, pushes for that device are this user's from now"
        " on. `isApp` and `twoFaToken` may come along and change nothing.",
        takes=LoginInput,
        given={"identity": "ann", "password": PASSWORD, "deviceToken": _DEVICE_TOKEN},
        answers=ref("ZapLogin"),
        example={
            "success": True,
            "data": _USER,
            "token": TOKEN,
            "refreshToken": TOKEN,
            **{name: _USER[name] for name in ("id", "name", "email", "createdAt", "updatedAt")},
        },
        raises=[BadCredentials(), AccountDisabled(), AppInactive(), TooManyAttempts(300)],
        links_after={401: {"register": link("zapRegister")}},
        links=_links_of(_LOGGED_IN)
        | {
            "refresh": link("zapRefresh", body={"refreshToken": "$response.body#/data/refreshToken"}),
            "logOut": link("zapLogOut", id=_LOGGED_IN, body={"deviceToken": "$request.body#/deviceToken"}),
            "logOutOfWeb": link("zapLogOutOfWeb", id=_LOGGED_IN),
            "endSessions": link("zapEndSessions", id=_LOGGED_IN),
            "changePassword": link(
                "zapChangePassword",
                body={
                    "userId": _LOGGED_IN,
                    "email": "$response.body#/data/data/email",
                    "oldPassword": "$request.body#/password",
                },
            ),
        },
    ),
    "POST /v1/refresh": Operation(
        id="zapRefresh",
        tag=LOGIN,
        summary="Get a new access token",
        description="Where refresh tokens rotate, a new one comes with it; using the old one again ends the session.",
        takes=RefreshInput,
        given={"refreshToken": TOKEN},
        answers=ref("ZapTokens"),
        example={"token": TOKEN},
        raises=[TokenExpired(), TokenInvalid(), SessionEnded()],
        links_after={401: {"logIn": link("zapLogIn")}},
    ),
    "PUT /v1/users/logout/{id}": Operation(
        id="zapLogOut",
        summary="Log out of a device",
        description="Of one's own id: this session ends, every other session of the user on that device token, and the"
        " user's pushes to it. A token that has merely expired will do. Of another id, by staff with"
        " `user_sessions.end_session`: that user's sessions on that device token." + _CONFIRMED.format("The latter"),
        takes=LogoutInput,
        given={"deviceToken": _DEVICE_TOKEN},
        raises=[*_OF_ANOTHER, *_UNCONFIRMED],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/logout/{id}": Operation(
        id="zapLogOutOfWeb",
        summary="Log out of the web app",
        description="Of one's own id: this session ends. A token that has merely expired will do. Of another id, by"
        " staff with `user_sessions.end_session`: all sessions of that user. The latter needs a log-in within the last"
        " ten minutes.",
        raises=[*_OF_ANOTHER, ReauthenticationRequired()],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/{id}/sessions": Operation(
        id="zapListSessions",
        tag=LOGOUT,
        summary="See who is logged in where",
        description=_OWN_OR_STAFF.format("user_sessions.view_session") + " Live sessions of all apps, newest first.",
        answers=ref("ZapSessionList"),
        example={"sessionData": [_SESSION], "dataCount": 1},
        raises=_OF_ANOTHER,
        links={
            "endSession": link("zapEndSession", id="$request.path.id", sid="$response.body#/data/sessionData/0/id"),
            "endSessions": link("zapEndSessions", id="$request.path.id"),
        },
    ),
    "POST /v1/users/{id}/sessions/logout": Operation(
        id="zapEndSessions",
        tag=LOGOUT,
        summary="End this session, the others or all",
        description=_OWN_OR_STAFF.format("user_sessions.end_session")
        + " Of another user's, `this` is none."
        + _CONFIRMED.format("Anything but `this`"),
        takes=ScopeInput,
        given={"scope": "others"},
        answers=closed({"ended": COUNT | {"description": "Sessions that this call ended."}}),
        example={"ended": 2},
        raises=[*_OF_ANOTHER, *_UNCONFIRMED],
    ),
    "DELETE /v1/users/{id}/sessions/{sid}": Operation(
        id="zapEndSession",
        tag=LOGOUT,
        summary="End one session",
        description=_OWN_OR_STAFF.format("user_sessions.end_session")
        + _CONFIRMED.format("Any but the session of the token"),
        takes=ConfirmedInput,
        answers=constant("Session ended successfully"),
        example="Session ended successfully",
        raises=[*_OF_ANOTHER, SessionNotFound(), *_UNCONFIRMED],
    ),
    "POST /v1/changePassword": Operation(
        id="zapChangePassword",
        tag=PASSWORDS,
        summary="Change one's own password",
        description="This session goes on, all others end. `email` is null for a user who has none; one that is not"
        " verified yet and the one before it both do, and the former is dropped.",
        takes=PasswordChangeInput,
        given={
            "userId": OBJECT_ID,
            "email": "ann@example.org",
            "oldPassword": PASSWORD,
            "newPassword": "battery-staple-2",
        },
        answers=constant("Password updated successfully"),
        example="Password updated successfully",
        raises=[NotYours(), EmailMismatch(), _REFUSED, WrongPassword(), TooManyAttempts(300)],
    ),
    "POST /v1/otp/forgotPassword": Operation(
        id="zapAskForResetCode",
        tag=PASSWORDS,
        summary="Have a code mailed",
        description="The answer is the same whether or not there is such a user.",
        takes=ResetRequestInput,
        given={"identity": "ann@example.org"},
        answers=constant("Reset Email sent"),
        example="Reset Email sent",
        raises=[TooManyAttempts(300)],
        links={"resetPassword": link("zapResetPassword", body={"identity": "$request.body#/identity"})},
    ),
    "POST /v1/forgotPassword": Operation(
        id="zapResetPassword",
        tag=PASSWORDS,
        summary="Set a new password by the code",
        description="All sessions of the user end, and a new email that is not verified yet is dropped. A code lives"
        " for 10 minutes, and works once.",
        takes=ResetInput,
        given={"identity": "ann@example.org", "otp": "3f9a 1c07 b2e4", "newPassword": "battery-staple-2"},
        answers=constant("Password updated successfully"),
        example="Password updated successfully",
        raises=[_REFUSED, CodeInvalid(), TooManyAttempts(300)],
    ),
    "POST /v1/otp": Operation(
        id="zapAskForEmailCode",
        tag=EMAILS,
        summary="Have a code mailed to verify an email",
        description="The answer is the same whether or not that is the email of that user. Buddy has no such route: its"
        " users verify their emails by these three, too.",
        takes=CodeInput,
        given={"email": "ann@example.org", "userId": OBJECT_ID},
        answers=constant("OTP Generated"),
        example="OTP Generated",
        raises=[NoSmsGateway(), TooManyAttempts(300)],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$request.body#/email"})},
    ),
    "POST /v1/otp/resend": Operation(
        id="zapAskForEmailCodeAgain",
        tag=EMAILS,
        summary="Have another code mailed to verify an email",
        description="The answer is the same whether or not there is such a user. The code before it is dead.",
        takes=CodeAgainInput,
        given={"email": "ann@example.org"},
        answers=constant("OTP ReSent"),
        example="OTP ReSent",
        raises=[NoSmsGateway(), TooManyAttempts(300)],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$request.body#/email"})},
    ),
    "POST /v1/otp/verify": Operation(
        id="zapVerifyEmail",
        tag=EMAILS,
        summary="Verify an email by the code",
        description="The email counts from now on: the one before it, which is told, no longer does. Of two users who"
        " have set the same email the first one gets it.",
        takes=VerificationInput,
        given={"identity": "ann@example.org", "otp": "3f9a 1c07 b2e4"},
        answers=constant("OTP verified"),
        example="OTP verified",
        raises=[CodeInvalid(), IdentityTaken("email"), TooManyAttempts(300)],
    ),
}

NOTES: dict[str, Schema] = {
    "identity": {"description": "Email, user name or phone number."},
    "deviceToken": {"description": "The push address of the device (FCM registration token, APNs device token)."},
    "roleId": {
        "description": "An opaque text of at most 64 characters; a whole number is taken as its digits. Staff set it"
        " for others; else it is ignored."
    },
    "otp": {
        "description": "The code that was mailed: 12 hexadecimal digits in any case, with blanks or hyphens or without."
    },
    "scope": {"description": "`this`: the session of the token. `others`: all but this one. `all`."},
    "bodyLimit": {"description": "Users on a page."},
    "pageLimit": {"description": "The number of the page that is meant."},
    "startDate": {"description": "Created then or later. UTC where it names no zone."},
    "endDate": {"description": "Created then or before; a date alone includes that day."},
}
