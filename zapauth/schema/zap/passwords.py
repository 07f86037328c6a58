"""ZAP's operations for passwords and the verification of emails."""

from users.errors import (
    CodeInvalid,
    EmailMismatch,
    IdentityTaken,
    NoSmsGateway,
    NotYours,
    PasswordRefused,
    TooManyAttempts,
    WrongPassword,
)
from zapauth.schema.operations import OBJECT_ID, PASSWORD, Operation, link
from zapauth.schema.zap.parts import EMAILS, PASSWORDS, TOO_SHORT
from zapauth.shapes import constant
from zapauth.zap import answers
from zapauth.zap.serializers import (
    CodeAgainInput,
    CodeInput,
    PasswordChangeInput,
    ResetInput,
    ResetRequestInput,
    VerificationInput,
)

_REFUSED = PasswordRefused("new_password", [TOO_SHORT])

OPERATIONS: dict[str, Operation] = {
    "POST /v1/changePassword": Operation(
        id="zapChangePassword",
        tag=PASSWORDS,
        summary="Change one's own password",
        description="This session continues; all others end. `email` is null for a user who has none. While a new email"
        " is not verified yet, the new one and the old one both work, and the new one is dropped.",
        takes=PasswordChangeInput,
        given={
            "userId": OBJECT_ID,
            "email": "ann@example.org",
            "oldPassword": PASSWORD,
            "newPassword": "battery-staple-2",
        },
        answers=constant(answers.PASSWORD_CHANGED),
        example=answers.PASSWORD_CHANGED,
        raises=[NotYours(), EmailMismatch(), _REFUSED, WrongPassword(), TooManyAttempts(300)],
    ),
    "POST /v1/otp/forgotPassword": Operation(
        id="zapAskForResetCode",
        tag=PASSWORDS,
        summary="Have a code mailed",
        description="The answer is the same if there is no such user.",
        takes=ResetRequestInput,
        given={"identity": "ann@example.org"},
        answers=constant(answers.RESET_CODE_SENT),
        example=answers.RESET_CODE_SENT,
        raises=[TooManyAttempts(300)],
        links={"resetPassword": link("zapResetPassword", body={"identity": "$request.body#/identity"})},
    ),
    "POST /v1/forgotPassword": Operation(
        id="zapResetPassword",
        tag=PASSWORDS,
        summary="Set a new password with the code",
        description="All sessions of the user end, and a new email that is not verified yet is dropped. A code is valid"
        " for 10 minutes and works once.",
        takes=ResetInput,
        given={"identity": "ann@example.org", "otp": "3f9a 1c07 b2e4", "newPassword": "battery-staple-2"},
        answers=constant(answers.PASSWORD_CHANGED),
        example=answers.PASSWORD_CHANGED,
        raises=[_REFUSED, CodeInvalid(), TooManyAttempts(300)],
    ),
    "POST /v1/otp": Operation(
        id="zapAskForEmailCode",
        tag=EMAILS,
        summary="Have a code mailed to verify an email",
        description="The answer is the same if that is not the email of that user. Buddy has no such routes. Its users"
        " use the three of ZAP, too.",
        takes=CodeInput,
        given={"email": "ann@example.org", "userId": OBJECT_ID},
        answers=constant(answers.EMAIL_CODE_SENT),
        example=answers.EMAIL_CODE_SENT,
        raises=[NoSmsGateway(), TooManyAttempts(300)],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$request.body#/email"})},
    ),
    "POST /v1/otp/resend": Operation(
        id="zapAskForEmailCodeAgain",
        tag=EMAILS,
        summary="Have another code mailed to verify an email",
        description="The answer is the same if there is no such user. The earlier code stops working.",
        takes=CodeAgainInput,
        given={"email": "ann@example.org"},
        answers=constant(answers.EMAIL_CODE_SENT_AGAIN),
        example=answers.EMAIL_CODE_SENT_AGAIN,
        raises=[NoSmsGateway(), TooManyAttempts(300)],
        links={"verifyEmail": link("zapVerifyEmail", body={"identity": "$request.body#/email"})},
    ),
    "POST /v1/otp/verify": Operation(
        id="zapVerifyEmail",
        tag=EMAILS,
        summary="Verify an email with the code",
        description="From now on the new email counts, and the old one doesn't. A mail tells the old one. If two users"
        " set the same email, the first one who verifies it gets it.",
        takes=VerificationInput,
        given={"identity": "ann@example.org", "otp": "3f9a 1c07 b2e4"},
        answers=constant(answers.EMAIL_VERIFIED),
        example=answers.EMAIL_VERIFIED,
        raises=[CodeInvalid(), IdentityTaken("email"), TooManyAttempts(300)],
    ),
}
