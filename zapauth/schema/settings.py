"""The settings of drf-spectacular, and the introduction of the API's description."""

from typing import Any

from zapauth import __version__

_DESCRIPTION = """\
ZapAuth knows who is logged in where, and ends sessions at once: after the answer to a logout, no worker accepts the
token any more. Two dialects share one core and one directory of users.

**The bound.** Each request that begins after the answer to a logout is refused: the bound is 0 seconds, on every worker
of every server. `GET /.well-known/zapauth` declares it for programs, and the service measures it all the time.

**ZAP**, under `/v1`, takes JSON and answers `{"success": true, "data": …}` or `{"success": false, "message", "code"}`,
with `errors` by field if fields are at fault. Programs switch on `code`.

**Buddy**, at the root, takes JSON, forms or nothing at all, and answers
`{"status", "result", "request_id", "success": true}` or
`{"status", "error", "errorNumber", "message", "request_id", "success": false}`. Programs switch on
`errorNumber`. The case of parameter names doesn't matter (`appId`, `appID`, `appid`). `null` is the same as no
parameter, and a number can stand for a text. An *app-level* token stands for an app on a device, a *user-level* token
for a user on that device.

In both dialects, a path with a trailing slash is the same path, unknown parameters are ignored, and blanks at the ends
of a text are removed, except in passwords. No text may contain NUL. New emails, user names and names may not contain
characters that nobody can see, such as line breaks, except for those that a script or an emoji needs in a name.

**Gateways and services** stand beside ZapAuth. A service authenticates as an app, with its id and key by HTTP Basic.
The routes under `/oauth` take forms, and those under `/push` take JSON. Errors are those of OAuth 2.0:
`{"error", "error_description"}`.
"""
_TAGS = {
    "ZAP: login": "Get a short-lived access token, and a refresh token that lasts as long as the session.",
    "ZAP: logout": "List a user's sessions, and end one of them, those on a device, or all.",
    "ZAP: users": "",
    "ZAP: passwords": "",
    "ZAP: second factor": "",
    "ZAP: emails": "",
    "ZAP: notifications": "",
    "Buddy: devices": "The first call: a device gets an app-level token.",
    "Buddy: login and logout": "Get a user-level token, and go back to an app-level one.",
    "Buddy: users": "",
    "Buddy: passwords": "",
    "Buddy: service": "",
    "Gateways": "A gateway asks about each request, and passes on the ones whose token is live.",
    "Services: tokens": "For your other services: check a token, or end its session.",
    "Services: push": "For push senders: who may get a push now.",
    "Services: events": "For socket servers: be told at once which sessions have ended.",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "ZapAuth",
    "VERSION": __version__,
    "DESCRIPTION": _DESCRIPTION,
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "TAGS": [{"name": name} | ({"description": text} if text else {}) for name, text in _TAGS.items()],
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["zapauth.schema.document.as_documented"],
    "POSTPROCESSING_HOOKS": ["zapauth.schema.services.gate.with_gate"],
    "GET_MOCK_REQUEST": "zapauth.schema.document.request_for",
    # Texts that must not be empty get a minimum length. This affects inputs only: no serializer describes an answer.
    "ENFORCE_NON_BLANK_FIELDS": True,
    # Docstrings are for this project's developers, so they are left out.
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
}
