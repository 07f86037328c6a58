"""Additions to the schemas of Buddy's parameters, by name."""

from users.models import CrashReport
from zapauth.shapes import Schema

NOTES: dict[str, Schema] = {
    "location": {"description": "Latitude and longitude in degrees. Every call takes it."},
    "uniqueId": {"type": ["string", "number"], "description": "The id of this installation of the app."},
    "pushToken": {"description": "The push address (FCM registration token, APNs device token)."},
    "deviceToken": {"description": "The iOS client's name for `pushToken`."},
    "platform": {"description": "For example `iOS` or `Android`."},
    "gender": {"description": "`male` or `female` in any case, or a number: 0 (unknown), 1 (male), 2 (female)."},
    "dateOfBirth": {
        "description": "In UTC if it names no time zone.",
        "examples": [
            *("/Date(636595200000)/", "1990-03-05", "1990-03-05T00:00:00Z"),
            *("Mar 5, 1990 12:00:00 AM", "Mar 5, 1990, 12:00:00 AM"),
        ],
    },
    "stackTrace": {"description": f"Cut after {CrashReport.STACK_TRACE_LENGTH:,} characters."},
    "message": {"description": f"Cut after {CrashReport.MESSAGE_LENGTH:,} characters."},
    "methodName": {"description": f"Cut after {CrashReport.METHOD_NAME_LENGTH} characters."},
    "limit": {"description": "The number of users on a page, 20 by default."},
    "pagingToken": {
        "format": "buddy-paging-token",
        "description": "A `nextToken`, `previousToken` or `currentToken` from an answer. Its content is opaque.",
    },
    "resetCode": {
        "description": "The code from the mail: 12 hexadecimal digits in any case. Blanks and hyphens are ignored."
    },
}
