"""ZAP's operations of login and logout, and the list of sessions."""

from typing import Any

from sessions.errors import ReauthenticationRequired, SessionEnded, SessionNotFound, TokenExpired, TokenInvalid
from users.errors import AccountDisabled, AppInactive, BadCredentials, TooManyAttempts
from zapauth.schema.operations import PASSWORD, TOKEN, Operation, link
from zapauth.schema.zap.parts import (
    CONFIRMED,
    EXAMPLE_DEVICE_TOKEN,
    EXAMPLE_SESSION,
    EXAMPLE_USER,
    LOGIN,
    LOGOUT,
    OF_ANOTHER,
    OWN_OR_STAFF,
    UNCONFIRMED,
    links_of,
)
from zapauth.shapes import constant
from zapauth.zap import answers
from zapauth.zap.serializers import ConfirmedInput, LoginInput, LogoutInput, RefreshInput, ScopeInput

_LOGGED_OUT: dict[str, Any] = {
    "tag": LOGOUT,
    "answers": constant(answers.LOGGED_OUT),
    "example": answers.LOGGED_OUT,
}
_LOGGED_IN = "$response.body#/data/data/id"

OPERATIONS: dict[str, Operation] = {
    "POST /v1/login": Operation(
        id="zapLogIn",
        tag=LOGIN,
        summary="Log in",
        description="By `identity` or `email`. With a `deviceToken`, pushes for that device are this user's from now"
        " on. `isApp` and `twoFaToken` may come along and change nothing.",
        takes=LoginInput,
        given={"identity": "ann", "password": PASSWORD, "deviceToken": EXAMPLE_DEVICE_TOKEN},
        answers=answers.LOGIN.ref,
        example={
            "success": True,
            "data": EXAMPLE_USER,
            "token": TOKEN,
            "refreshToken": TOKEN,
            **{name: EXAMPLE_USER[name] for name in ("id", "name", "email", "createdAt", "updatedAt")},
        },
        raises=[BadCredentials(), AccountDisabled(), AppInactive(), TooManyAttempts(300)],
        links_after={401: {"register": link("zapRegister")}},
        links=links_of(_LOGGED_IN)
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
        answers=answers.TOKENS.ref,
        example={"token": TOKEN},
        raises=[TokenExpired(), TokenInvalid(), SessionEnded()],
        links_after={401: {"logIn": link("zapLogIn")}},
    ),
    "PUT /v1/users/logout/{id}": Operation(
        id="zapLogOut",
        summary="Log out of a device",
        description="Of one's own id: this session ends, every other session of the user on that device token, and the"
        " user's pushes to it. A token that has merely expired will do. Of another id, by staff with"
        " `user_sessions.end_session`: that user's sessions on that device token." + CONFIRMED.format("The latter"),
        takes=LogoutInput,
        given={"deviceToken": EXAMPLE_DEVICE_TOKEN},
        raises=[*OF_ANOTHER, *UNCONFIRMED],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/logout/{id}": Operation(
        id="zapLogOutOfWeb",
        summary="Log out of the web app",
        description="Of one's own id: this session ends. A token that has merely expired will do. Of another id, by"
        " staff with `user_sessions.end_session`: all sessions of that user. The latter needs a log-in within the last"
        " ten minutes.",
        raises=[*OF_ANOTHER, ReauthenticationRequired()],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/{id}/sessions": Operation(
        id="zapListSessions",
        tag=LOGOUT,
        summary="See who is logged in where",
        description=OWN_OR_STAFF.format("user_sessions.view_session") + " Live sessions of all apps, newest first.",
        answers=answers.SESSION_LIST.ref,
        example={"sessionData": [EXAMPLE_SESSION], "dataCount": 1},
        raises=OF_ANOTHER,
        links={
            "endSession": link("zapEndSession", id="$request.path.id", sid="$response.body#/data/sessionData/0/id"),
            "endSessions": link("zapEndSessions", id="$request.path.id"),
        },
    ),
    "POST /v1/users/{id}/sessions/logout": Operation(
        id="zapEndSessions",
        tag=LOGOUT,
        summary="End this session, the others or all",
        description=OWN_OR_STAFF.format("user_sessions.end_session")
        + " Of another user's, `this` is none."
        + CONFIRMED.format("Anything but `this`"),
        takes=ScopeInput,
        given={"scope": "others"},
        answers=answers.ENDED.schema,
        example={"ended": 2},
        raises=[*OF_ANOTHER, *UNCONFIRMED],
    ),
    "DELETE /v1/users/{id}/sessions/{sid}": Operation(
        id="zapEndSession",
        tag=LOGOUT,
        summary="End one session",
        description=OWN_OR_STAFF.format("user_sessions.end_session")
        + CONFIRMED.format("Any but the session of the token"),
        takes=ConfirmedInput,
        answers=constant(answers.SESSION_ENDED),
        example=answers.SESSION_ENDED,
        raises=[*OF_ANOTHER, SessionNotFound(), *UNCONFIRMED],
    ),
}
