"""What is to be said of Buddy's parameters, by name."""

from users.models import CrashReport
from zapauth.shapes import Schema

NOTES: dict[str, Schema] = {
    "location": {"description": "Latitude and longitude in degrees; it can come with any call."},
    "uniqueId": {"type": ["string", "number"], "description": "Of this installation of the app."},
    "pushToken": {"description": "The push address (FCM registration token, APNs device token)."},
    "deviceToken": {"description": "The iOS client's name for `pushToken`."},
    "platform": {"description": "Such as `iOS` or `Android`."},
    "gender": {"description": "`male` or `female` in any case; .NET's 0 (unknown), 1 (male), 2 (female)."},
    "dateOfBirth": {
        "description": "UTC where it names no zone.",
        "examples": [
            *("/Date(636595200000)/", "1990-03-05", "1990-03-05T00:00:00Z"),
            *("Mar 5, 1990 12:00:00 AM", "Mar 5, 1990, 12:00:00 AM"),
        ],
    },
    "stackTrace": {"description": f"What is longer than {CrashReport.STACK_TRACE_LENGTH:,} characters is cut."},
    "message": {"description": f"What is longer than {CrashReport.MESSAGE_LENGTH:,} characters is cut."},
    "methodName": {"description": f"What is longer than {CrashReport.METHOD_NAME_LENGTH} characters is cut."},
    "limit": {"description": "Users on a page, 20 by default."},
    "pagingToken": {
        "format": "buddy-paging-token",
        "description": "Opaque: a `nextToken`, `previousToken` or `currentToken` of an answer.",
    },
    "resetCode": {
        "description": "The code that was mailed: 12 hexadecimal digits in any case, with blanks or hyphens or without."
    },
}
