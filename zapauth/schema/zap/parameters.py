"""Additions to the schemas of ZAP's parameters, by name."""

from zapauth.shapes import Schema

NOTES: dict[str, Schema] = {
    "identity": {"description": "Email, user name or phone number."},
    "deviceToken": {"description": "The push address of the device (FCM registration token, APNs device token)."},
    "roleId": {
        "description": "An opaque text of at most 64 characters; a whole number becomes the text of its digits. Staff"
        " set it for others. From other callers it is ignored."
    },
    "otp": {
        "description": "The code from the mail: 12 hexadecimal digits in any case. Blanks and hyphens are ignored."
    },
    "token": {"description": "A code of the authenticator app: six digits, as a text or a number."},
    "twoFaToken": {"description": "Six digits, as a text or a number, or a recovery code."},
    "endOthers": {"description": "Whether all other sessions of the user end, too."},
    "scope": {
        "description": "`this`: the session of the token. `others`: all sessions except this one. `all`: all sessions."
    },
    "bodyLimit": {"description": "The number of users or entries on a page."},
    "pageLimit": {"description": "The number of the page, from 1."},
    "startDate": {"description": "Users created then or later. In UTC if it names no time zone."},
    "endDate": {"description": "Users created then or earlier. A date without a time includes that day."},
}
