"""Read and check the form of an answer, in either dialect."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.phones import Reply

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# The table in the contract: the number and the statuses of each error.
BUDDY_ERRORS = {
    "AuthFailed": (0x100, {401, 429}),
    "AuthSignatureInvalid": (0x102, {401}),
    "AuthAccessTokenInvalid": (0x104, {401}),
    "AuthAppCredentialsInvalid": (0x105, {401}),
    "AuthBadUsernameOrPassword": (0x106, {401}),
    "AuthUserAccessTokenRequired": (0x107, {403}),
    "AuthUserAccountDisabled": (0x108, {403}),
    "ParameterMissingRequiredValue": (0x201, {400}),
    "ParameterOutOfRange": (0x202, {400}),
    "ParameterIncorrectFormat": (0x203, {400}),
    "OperationNotFound": (0x204, {404, 405}),
    "ItemDoesNotExist": (0x301, {404}),
    "ItemAlreadyExists": (0x302, {400}),
    "ObjectPermissionDenied": (0x303, {403}),
    "InternalServerError": (0x500, {500}),  # not in the table, which has no server errors
}


WITHOUT_TOKEN = {"token_missing", "invalid_credentials", "two_factor_required", "two_factor_invalid"}


def zap_error(reply: "Reply") -> tuple[int, str]:
    """Return status and code of a ZAP error. Fails if it is incomplete."""
    body = reply.json
    assert reply.headers["content-type"] == "application/json; charset=utf-8", reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert SANE_ID.fullmatch(reply.headers["x-request-id"]), reply
    assert {"success", "message", "code"} <= body.keys() <= {"success", "message", "code", "errors"}, reply
    assert body["success"] is False, reply
    assert isinstance(body["message"], str), reply
    assert body["message"], reply
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", body["code"]), reply
    if "errors" in body:
        assert reply.status in (400, 422), reply
        assert body["errors"], reply
        assert all(texts and all(isinstance(text, str) for text in texts) for texts in body["errors"].values()), reply
    assert reply.status in (400, 401, 403, 404, 405, 408, 422, 429, 500), reply
    assert ("retry-after" in reply.headers) == (reply.status == 429), reply
    challenge = reply.headers.get("www-authenticate", "")
    assert challenge.startswith('Bearer realm="zapauth"') == (reply.status == 401), reply
    # RFC 6750 §3.1: a request without a token gets no error code.
    bad_token = reply.status == 401 and body["code"] not in WITHOUT_TOKEN
    assert ('error="invalid_token"' in challenge) == bad_token, reply
    return reply.status, body["code"]


def zap_fields(reply: "Reply") -> tuple[int, str, list[str]]:
    """Return status, code and the fields with errors."""
    return *zap_error(reply), list(reply.json.get("errors", {}))


def zap_success(reply: "Reply") -> Any:
    """Return the data of a ZAP success. Fails if it is not one."""
    assert reply.status in (200, 201), reply
    assert reply.headers["content-type"] == "application/json; charset=utf-8", reply
    assert SANE_ID.fullmatch(reply.headers["x-request-id"]), reply
    assert reply.json["success"] is True, reply
    return reply.json["data"]


def buddy_error(reply: "Reply") -> tuple[int, str]:
    """Return status and name of a Buddy error. Fails if it is incomplete."""
    body = reply.json
    _check_buddy(reply)
    assert body.keys() == {"status", "error", "errorNumber", "message", "request_id", "success"}, reply
    assert body["success"] is False, reply
    assert isinstance(body["message"], str), reply
    assert body["message"], reply
    number, statuses = BUDDY_ERRORS[body["error"]]
    assert body["errorNumber"] == number, reply
    assert reply.status in statuses, reply
    assert ("retry-after" in reply.headers) == (reply.status == 429), reply
    assert reply.headers.get("www-authenticate", "").startswith("Buddy ") == (reply.status == 401), reply
    return reply.status, body["error"]


def buddy_success(reply: "Reply") -> Any:
    """Return the result of a Buddy success. Fails if it is not one."""
    assert reply.status in (200, 201), reply
    _check_buddy(reply)
    assert reply.json.keys() == {"status", "result", "request_id", "success"}, reply
    assert reply.json["success"] is True, reply
    assert reply.json["result"] is not None, reply
    return reply.json["result"]


def _check_buddy(reply: "Reply") -> None:
    assert reply.headers["content-type"] == "application/json", reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert reply.json["status"] == reply.status, reply
    assert UUID.fullmatch(reply.json["request_id"]), reply
    assert reply.json["request_id"] == reply.headers["x-request-id"], reply
