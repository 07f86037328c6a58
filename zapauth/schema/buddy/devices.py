"""Buddy's operations on devices, and the ping."""

from sessions.errors import DeviceInUse
from users.errors import BadAppCredentials, TooManyAttempts
from zapauth.buddy import answers
from zapauth.buddy.serializers import CrashReportInput, DeviceChangeInput, DeviceInput
from zapauth.schema.buddy.parts import ANY_TOKEN, DEVICES, EXAMPLE_DEVICE, EXAMPLE_GRANT, SERVICE
from zapauth.schema.operations import OBJECT_ID, Operation, link
from zapauth.shapes import constant

OPERATIONS: dict[str, Operation] = {
    "POST /devices": Operation(
        id="buddyRegisterDevice",
        tag=DEVICES,
        summary="Register a device",
        description="Takes no token. The same `uniqueId` is the same device, and its app-level tokens stay valid.",
        takes=DeviceInput,
        given={"appId": OBJECT_ID, "appKey": "v0ncOEJqVmWoP7V94A7ie7800QTrwk01vcQB4Vc-dWo", "platform": "Android"},
        status=201,
        answers=answers.DEVICE_GRANT.ref,
        example=EXAMPLE_GRANT,
        raises=[BadAppCredentials(), TooManyAttempts(300)],
        links={"register": link("buddyRegister"), "changeDevice": link("buddyChangeDevice")},
    ),
    "PATCH /devices/current": Operation(
        id="buddyChangeDevice",
        tag=DEVICES,
        summary="Change the device of the token",
        description=ANY_TOKEN + " While a user is logged in on the device, only that user's token changes it."
        ' `pushToken: ""` removes the push address. With an app-level token, the answer has only the `tag` and the'
        " `location` of this call.",
        takes=DeviceChangeInput,
        given={"pushToken": "fgYo5k5yrt9KaswddR4s5:APA91bFq", "osVersion": "14"},
        answers=answers.DEVICE.ref,
        example=EXAMPLE_DEVICE,
        raises=[DeviceInUse()],
    ),
    "POST /devices/current/crashreports": Operation(
        id="buddyReportCrash",
        tag=DEVICES,
        summary="Report a crash",
        description=ANY_TOKEN
        + " Staff can read the report on the page of the device. It is kept for 30 days by default.",
        takes=CrashReportInput,
        given={"stackTrace": "at Sample.Main()", "message": "Object reference not set"},
        status=201,
        answers=constant(True),
        example=True,
        raises=[TooManyAttempts(300)],
    ),
    "GET /service/ping": Operation(
        id="buddyPing",
        tag=SERVICE,
        summary="Is it there?",
        description="Works with or without a token.",
        answers=constant(answers.PONG),
        example=answers.PONG,
    ),
}
