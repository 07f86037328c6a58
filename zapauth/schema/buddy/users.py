"""Buddy's operations on users."""

from users.errors import IdentityTaken, PasswordRefused, RegistrationClosed, TooManyAttempts
from zapauth.buddy import answers
from zapauth.buddy.serializers import BuddyInput, ConfirmedInput, RegistrationInput, UserChangeInput, UserListInput
from zapauth.schema.buddy.parts import (
    ANY_TOKEN,
    AS_USER,
    CONFIRMED,
    EXAMPLE_GRANT,
    EXAMPLE_USER,
    OF_ANOTHER,
    TOO_SHORT,
    UNCONFIRMED,
    USER_TOKEN,
    USERS,
)
from zapauth.schema.operations import PASSWORD, Operation, link
from zapauth.shapes import constant

_ANOTHER_NAME = (
    " The answers show a new email at once, and a code is mailed to it. The new email counts for a password reset after"
    " `POST /v1/otp/verify` has received that code. Until then the old email counts; a mail tells it of the change."
    + CONFIRMED.format("Another email or user name")
)

_CHANGES = {"firstName": "Ann", "dateOfBirth": "/Date(636595200000)/", "location": "47.61, -122.33"}
_LOG_IN = link(
    "buddyLogIn", body={"username": "$response.body#/result/userName", "password": "$request.body#/password"}
)

OPERATIONS: dict[str, Operation] = {
    "POST /users": Operation(
        id="buddyRegister",
        tag=USERS,
        summary="Register, and log in",
        description=ANY_TOKEN
        + " If there is an email, a code is mailed to it. `POST /v1/otp/verify` verifies the email by"
        " that code, and `POST /v1/otp/resend` mails another one. Both are routes of ZAP and take no token.",
        takes=RegistrationInput,
        given={"username": "ann", "password": PASSWORD, "email": "ann@example.org"},
        answers=answers.LOGGED_IN_USER.ref,
        example=EXAMPLE_USER | EXAMPLE_GRANT,
        raises=[
            RegistrationClosed(),
            PasswordRefused("password", [TOO_SHORT]),
            IdentityTaken("username"),
            TooManyAttempts(300),
        ],
        links=AS_USER | {"logIn": _LOG_IN},
    ),
    "GET /users": Operation(
        id="buddyListUsers",
        tag=USERS,
        summary="List the users that the caller may see",
        description=USER_TOKEN
        + " Staff with `users.view_user` get all users, newest first; other callers get themselves.",
        takes=UserListInput,
        answers=answers.USER_LIST.ref,
        example={"pageResults": [EXAMPLE_USER], "currentToken": "WyJmaXJzdCIsMjAsbnVsbF0:1w1Yx3:RkZtYg"},
        links={
            "nextPage": link("buddyListUsers", pagingToken="$response.body#/result/nextToken"),
            "getUser": link("buddyGetUser", id="$response.body#/result/pageResults/0/id"),
        },
    ),
    "GET /users/me": Operation(
        id="buddyGetOwnUser",
        tag=USERS,
        summary="See oneself",
        description=USER_TOKEN,
        takes=BuddyInput,
        answers=answers.USER.ref,
        example=EXAMPLE_USER,
        links={name: each for name, each in AS_USER.items() if name != "logOut"},
    ),
    "PATCH /users/me": Operation(
        id="buddyChangeOwnUser",
        tag=USERS,
        summary="Change oneself",
        description=USER_TOKEN + _ANOTHER_NAME,
        takes=UserChangeInput,
        given=_CHANGES,
        answers=constant(True),
        example=True,
        raises=[IdentityTaken("username"), *UNCONFIRMED],
    ),
    "DELETE /users/me": Operation(
        id="buddyDeleteOwnUser",
        tag=USERS,
        summary="Delete oneself",
        description=USER_TOKEN
        + " All sessions of the user end, and the user name is free again."
        + CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant(True),
        example=True,
        raises=UNCONFIRMED,
    ),
    "GET /users/{id}": Operation(
        id="buddyGetUser",
        tag=USERS,
        summary="See a user",
        description=USER_TOKEN + " The id is the caller's own; staff with `users.view_user` may use any id.",
        takes=BuddyInput,
        answers=answers.USER.ref,
        example=EXAMPLE_USER,
        raises=OF_ANOTHER,
    ),
    "PATCH /users/{id}": Operation(
        id="buddyChangeUser",
        tag=USERS,
        summary="Change a user",
        description=USER_TOKEN
        + " The id is the caller's own; staff with `users.change_user` may use any id."
        + _ANOTHER_NAME,
        takes=UserChangeInput,
        given=_CHANGES,
        answers=constant(True),
        example=True,
        raises=[*OF_ANOTHER, IdentityTaken("username"), *UNCONFIRMED],
    ),
    "DELETE /users/{id}": Operation(
        id="buddyDeleteUser",
        tag=USERS,
        summary="Delete a user",
        description=USER_TOKEN
        + " The id is the caller's own; staff with `users.delete_user` may use any id. All sessions of the user end."
        + CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant(True),
        example=True,
        raises=[*OF_ANOTHER, *UNCONFIRMED],
    ),
}
