"""ZAP's operation on the security record."""

from zapauth.schema.operations import Operation
from zapauth.schema.zap.parts import NOTIFICATIONS
from zapauth.zap import answers
from zapauth.zap.serializers import ActivityInput

OPERATIONS: dict[str, Operation] = {
    "GET /v1/notification/security": Operation(
        id="zapListSecurityEvents",
        tag=NOTIFICATIONS,
        summary="See what happened to an account",
        description="Log-ins, refused ones, changes and orders, newest first: those of the caller's own account; for"
        " staff with `users.view_securityevent` those of everybody. Users are not told which member of staff acted. The"
        " pages end after 10,000 entries, and `dataCount` is at most that. An empty parameter is the same as none.",
        takes=ActivityInput,
        answers=answers.ACTIVITY_LIST.ref,
        example={
            "activityData": [
                {
                    "description": "The password was changed, from 192.0.2.1.",
                    "type": "security",
                    "topic": "Security Alert",
                    "createdAt": "2023-02-27T16:57:05.913Z",
                    "updatedAt": "2023-02-27T16:57:05.913Z",
                    "id": "1024",
                }
            ],
            "bodyLimit": 10,
            "pageLimit": 1,
            "dataCount": 1,
        },
    ),
}
