"""What is to be said of ZAP's parameters, by name."""

from zapauth.shapes import Schema

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
