"""ZAP's operations for login, logout and the list of sessions."""

from typing import Any

from sessions.errors import ReauthenticationRequired, SessionEnded, SessionNotFound, TokenExpired, TokenInvalid
from users.errors import (
    AccountDisabled,
    AppInactive,
    BadCredentials,
    SecondFactorInvalid,
    SecondFactorRequired,
    TooManyAttempts,
)
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
        description="Takes an `identity` or an `email`. With a `deviceToken`, that device gets the pushes of this user"
        " from now on. `isApp` is ignored. `twoFaToken` is a code of the user's second factor, from their app, or a"
        " recovery code. A user without a second factor needs none. So send the first call without it. If the password"
        " is right and a code is needed, the answer is `two_factor_required`, and the call is not a failed login.",
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
        raises=[
            BadCredentials(),
            SecondFactorRequired(),
            SecondFactorInvalid(),
            AccountDisabled(),
            AppInactive(),
            TooManyAttempts(300),
        ],
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
        description="If refresh tokens rotate, the answer has a new one. Using the old one again ends the session.",
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
        description="With the caller's own id, this session ends, and every other session of the user with that device"
        " token. The device gets no more pushes for the user. An expired token works, too. With another id, from staff"
        " with `user_sessions.end_session`, the sessions of that user with that device token end."
        + CONFIRMED.format("Another id"),
        takes=LogoutInput,
        given={"deviceToken": EXAMPLE_DEVICE_TOKEN},
        raises=[*OF_ANOTHER, *UNCONFIRMED],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/logout/{id}": Operation(
        id="zapLogOutOfWeb",
        summary="Log out of the web app",
        description="With the caller's own id, this session ends. An expired token works, too. With another id, from"
        " staff with `user_sessions.end_session`, all sessions of that user end. Another id needs a login of this"
        " session within the last ten minutes.",
        raises=[*OF_ANOTHER, ReauthenticationRequired()],
        **_LOGGED_OUT,
    ),
    "GET /v1/users/{id}/sessions": Operation(
        id="zapListSessions",
        tag=LOGOUT,
        summary="See where a user is logged in",
        description=OWN_OR_STAFF.format("user_sessions.view_session") + " The live sessions in all apps, newest first.",
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
        + " For another user, `others` means all sessions, and `this` is refused."
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
