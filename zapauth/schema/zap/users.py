"""ZAP's operations on users."""

from users.errors import IdentityTaken, NotYours, PasswordRefused, RegistrationClosed, TooManyAttempts
from zapauth.schema.operations import PASSWORD, Operation, link
from zapauth.schema.zap.parts import (
    CONFIRMED,
    EXAMPLE_USER,
    OF_ANOTHER,
    OWN_OR_STAFF,
    TAKEN,
    TOO_SHORT,
    UNCONFIRMED,
    USERS,
    links_of,
)
from zapauth.shapes import constant
from zapauth.zap import answers
from zapauth.zap.serializers import (
    ConfirmedInput,
    PhoneChangeInput,
    StaffRegistrationInput,
    StaffUserChangeInput,
    UserListInput,
)

OPERATIONS: dict[str, Operation] = {
    "POST /v1/users": Operation(
        id="zapRegister",
        tag=USERS,
        summary="Register",
        description="Needs no token. Staff with `users.add_user` register others with theirs, also if registration is"
        " closed. `referralCode` is ignored. A code to verify the email is mailed to it.",
        takes=StaffRegistrationInput,
        given={"username": "ann", "email": "ann@example.org", "password": PASSWORD, "phoneNumber": "+15550100"},
        status=201,
        answers=answers.USER.ref,
        example=EXAMPLE_USER | {"roleId": None},
        raises=[RegistrationClosed(), PasswordRefused("password", [TOO_SHORT]), *TAKEN, TooManyAttempts(300)],
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
        description="For staff with `users.view_user`. Newest first, without deleted users. An empty parameter is the"
        " same as none.",
        takes=UserListInput,
        answers=answers.USER_LIST.ref,
        example={"userData": [EXAMPLE_USER], "bodyLimit": 10, "pageLimit": 1, "dataCount": 1},
        raises=[NotYours()],
        links={"getUser": link("zapGetUser", id="$response.body#/data/userData/0/id")},
    ),
    "GET /v1/users/token": Operation(
        id="zapGetOwnUser",
        tag=USERS,
        summary="See the user of the token",
        answers=answers.OWN_USER.ref,
        example=EXAMPLE_USER | {"twoFA": {"secret": "", "enabled": False}, "userAgent": ["Zap/4.2 (iPhone; iOS 17.1)"]},
        links=links_of("$response.body#/data/id"),
    ),
    "GET /v1/users/{id}": Operation(
        id="zapGetUser",
        tag=USERS,
        summary="See a user",
        description=OWN_OR_STAFF.format("users.view_user") + " Staff see deleted users, too.",
        answers=answers.USER.ref,
        example=EXAMPLE_USER,
        raises=OF_ANOTHER,
    ),
    "PUT /v1/users/{id}": Operation(
        id="zapChangeUser",
        tag=USERS,
        summary="Change a user",
        description=OWN_OR_STAFF.format("users.change_user")
        + " Fields that are not in the body stay. A phone number or a name that is null is removed. Only superusers"
        " change staff, superusers and users with any permission. A `roleId` for oneself is ignored. The answers show"
        " a new email at once, with `emailVerified` false, and a code is mailed to it. The new email counts for login"
        " and password reset after `POST /v1/otp/verify` has received that code. Until then the old email counts; a"
        " mail tells it of the change. A new password drops a new email that is not verified yet."
        + CONFIRMED.format("Another email, user name or phone number"),
        takes=StaffUserChangeInput,
        given={"name": "Ann Example", "phoneNumber": None},
        answers=answers.USER.ref,
        example=EXAMPLE_USER | {"phoneNumber": None},
        raises=[*OF_ANOTHER, *TAKEN, *UNCONFIRMED],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$response.body#/data/email"})},
    ),
    "PUT /v1/users/updatePhone/{id}": Operation(
        id="zapUpdatePhone",
        tag=USERS,
        summary="Change a phone number",
        description=OWN_OR_STAFF.format("users.change_user") + CONFIRMED.format("Another phone number"),
        takes=PhoneChangeInput,
        given={"phoneNumber": "+15550100"},
        answers=answers.USER.ref,
        example=EXAMPLE_USER,
        raises=[*OF_ANOTHER, IdentityTaken("phone_number"), *UNCONFIRMED],
    ),
    "DELETE /v1/users/{id}": Operation(
        id="zapDeleteUser",
        tag=USERS,
        summary="Delete a user",
        description=OWN_OR_STAFF.format("users.delete_user")
        + " All sessions of the user end. Their user name, email and phone number are free"
        " again. Only superusers delete staff, superusers and users with any permission." + CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=constant(answers.USER_DELETED),
        example=answers.USER_DELETED,
        raises=[*OF_ANOTHER, *UNCONFIRMED],
    ),
}
