"""How each dialect answers the refusals that both dialects have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bad_input.answers import buddy_error, buddy_success, zap_error, zap_success
from tests.phones import BuddyPhone, Phone, Reply, ZapPhone

Refusal = tuple[int, str]


@dataclass(frozen=True)
class Dialect:
    """How a dialect answers, and its refusal for each kind of bad input."""

    phone: type[Phone]
    error: Callable[[Reply], Refusal]
    success: Callable[[Reply], Any]
    malformed: Refusal
    no_object: Refusal
    wrong_type: Refusal
    too_large: Refusal
    no_token: Refusal
    bad_token: Refusal
    expired: Refusal
    ended: Refusal
    not_yours: Refusal
    no_user: Refusal
    unknown_path: Refusal
    wrong_method: Refusal
    bad_request: Refusal
    bug: Refusal

    def __str__(self) -> str:
        return self.phone.dialect

    def is_documented(self, reply: Reply) -> bool:
        """Return whether it is a success or a client error. Fails if the answer does not have the dialect's shape."""
        (self.success if reply.status < 400 else self.error)(reply)
        return reply.status < 500


ZAP = Dialect(
    phone=ZapPhone,
    error=zap_error,
    success=zap_success,
    malformed=(400, "invalid_json"),
    no_object=(400, "invalid_request"),
    wrong_type=(400, "unsupported_media_type"),
    too_large=(400, "body_too_large"),
    no_token=(401, "token_missing"),
    bad_token=(401, "token_invalid"),
    expired=(401, "token_expired"),
    ended=(401, "session_ended"),
    not_yours=(403, "permission_denied"),
    no_user=(404, "not_found"),
    unknown_path=(404, "not_found"),
    wrong_method=(405, "method_not_allowed"),
    bad_request=(400, "bad_request"),
    bug=(500, "server_error"),
)
BUDDY = Dialect(
    phone=BuddyPhone,
    error=buddy_error,
    success=buddy_success,
    malformed=(400, "ParameterIncorrectFormat"),
    no_object=(400, "ParameterIncorrectFormat"),
    wrong_type=(400, "ParameterIncorrectFormat"),
    too_large=(400, "ParameterOutOfRange"),
    no_token=(401, "AuthAccessTokenInvalid"),
    bad_token=(401, "AuthAccessTokenInvalid"),
    expired=(401, "AuthAccessTokenInvalid"),
    ended=(401, "AuthAccessTokenInvalid"),
    not_yours=(403, "ObjectPermissionDenied"),
    no_user=(404, "ItemDoesNotExist"),
    unknown_path=(404, "OperationNotFound"),
    wrong_method=(405, "OperationNotFound"),
    bad_request=(400, "ParameterIncorrectFormat"),
    bug=(500, "InternalServerError"),
)
DIALECTS = {"zap": ZAP, "buddy": BUDDY}
