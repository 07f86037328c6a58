"""ZAP's operations on the second factor."""

from sessions.errors import WrongPasswordGiven
from users.errors import NotYours, SecondFactorEnabled, SecondFactorNotConfirmed, TooManyAttempts
from zapauth.schema.operations import PASSWORD, Operation, link
from zapauth.schema.zap.parts import CONFIRMED, SECOND_FACTOR, UNCONFIRMED
from zapauth.shapes import constant
from zapauth.zap import answers
from zapauth.zap.serializers import ConfirmedInput, FactorDisablingInput, FactorVerificationInput

_OWN = "The id is the caller's own."
_OTHERS = " With `endOthers`, all other sessions of the user end. The user gets a mail."

OPERATIONS: dict[str, Operation] = {
    "POST /v1/users/{id}/enable2fa": Operation(
        id="zapEnableSecondFactor",
        tag=SECOND_FACTOR,
        summary="Make a secret for an authenticator app",
        description=_OWN
        + " Nothing changes for logins until `verify2FA` has received a code. A second call makes another secret."
        " A secret that counts already is neither shown nor replaced: 422." + CONFIRMED.format("It"),
        takes=ConfirmedInput,
        answers=answers.FACTOR_SECRET.ref,
        example={
            "qrCodeUrl": "data:image/png;base64,iVBORw0KGgo=",
            "base32Secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "message": answers.FACTOR_BEGUN,
        },
        raises=[NotYours(), SecondFactorEnabled(), *UNCONFIRMED],
        links={"verify": link("zapVerifySecondFactor", id="$request.path.id")},
    ),
    "POST /v1/users/{id}/verify2FA": Operation(
        id="zapVerifySecondFactor",
        tag=SECOND_FACTOR,
        summary="Switch the second factor on",
        description=_OWN
        + " `token` is a code that the user's app made from the new secret: six digits, TOTP (RFC 6238) with SHA-1 and"
        " steps of 30 seconds. One step early or late is accepted, and no code works twice. From now on a login needs a"
        " code. The ten recovery codes are shown only here; each works once in place of a code. A wrong code counts"
        " like a failed login." + _OTHERS,
        takes=FactorVerificationInput,
        given={"token": "492039", "endOthers": True},
        answers=constant(answers.FACTOR_VERIFIED),
        example=answers.FACTOR_VERIFIED,
        beside={"recoveryCodes": answers.RECOVERY_CODES},
        example_beside={"recoveryCodes": [f"4f6k-9m2x-7qtw-0c3d-h8vn-p5r{digit}" for digit in range(10)]},
        raises=[NotYours(), SecondFactorEnabled(), SecondFactorNotConfirmed(), TooManyAttempts(300)],
        links={"disable": link("zapDisableSecondFactor", id="$request.path.id")},
    ),
    "POST /v1/users/{id}/disable2fa": Operation(
        id="zapDisableSecondFactor",
        tag=SECOND_FACTOR,
        summary="Switch the second factor off",
        description=_OWN
        + " It always needs the `password`, which counts as a login attempt. The secret and the recovery codes are"
        " forgotten. If the second factor is off already, nothing changes." + _OTHERS,
        takes=FactorDisablingInput,
        given={"password": PASSWORD},
        answers=constant(answers.FACTOR_DISABLED),
        example=answers.FACTOR_DISABLED,
        raises=[NotYours(), WrongPasswordGiven(), TooManyAttempts(300)],
        links={"enable": link("zapEnableSecondFactor", id="$request.path.id")},
    ),
}
