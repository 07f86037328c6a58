"""Buddy's operations for login, logout and passwords."""

from users.errors import AccountDisabled, BadCredentials, CodeInvalid, PasswordRefused, TooManyAttempts
from zapauth.buddy import answers
from zapauth.buddy.serializers import BuddyInput, LoginInput, ResetInput, ResetRequestInput
from zapauth.schema.buddy.parts import (
    ANY_TOKEN,
    AS_USER,
    EXAMPLE_GRANT,
    EXAMPLE_USER,
    LOGIN,
    PASSWORDS,
    TOO_SHORT,
    USER_TOKEN,
)
from zapauth.schema.operations import PASSWORD, Operation, link
from zapauth.shapes import constant

OPERATIONS: dict[str, Operation] = {
    "POST /users/login": Operation(
        id="buddyLogIn",
        tag=LOGIN,
        summary="Log in",
        description=ANY_TOKEN
        + " With the user's own token, their session continues. With the token of another user, that"
        " user's session ends. App-level tokens stay valid.",
        takes=LoginInput,
        given={"username": "ann", "password": PASSWORD},
        answers=answers.LOGGED_IN_USER.ref,
        example=EXAMPLE_USER | EXAMPLE_GRANT,
        raises=[BadCredentials(), AccountDisabled(), TooManyAttempts(300)],
        links=AS_USER,
    ),
    "POST /users/me/logout": Operation(
        id="buddyLogOut",
        tag=LOGIN,
        summary="Log out",
        description=USER_TOKEN
        + " From now on this token is refused. The answer is an app-level token for the same app and"
        " device. No body is needed.",
        takes=BuddyInput,
        answers=answers.GRANT.ref,
        example=EXAMPLE_GRANT,
        links={"register": link("buddyRegister")},
    ),
    "POST /users/password": Operation(
        id="buddyAskForResetCode",
        tag=PASSWORDS,
        summary="Have a code mailed",
        description=ANY_TOKEN + " The answer is the same if there is no such user. `subject` and `body` are ignored.",
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
        summary="Set a new password with the code",
        description=ANY_TOKEN + " All sessions of the user end. A code is valid for 10 minutes and works once.",
        takes=ResetInput,
        given={"userName": "ann", "resetCode": "3f9a 1c07 b2e4", "newPassword": "battery-staple-2"},
        answers=constant(True),
        example=True,
        raises=[PasswordRefused("new_password", [TOO_SHORT]), CodeInvalid(), TooManyAttempts(300)],
    ),
}
