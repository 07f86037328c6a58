"""What the OpenAPI description says of the API as a whole: the settings of drf-spectacular."""

from typing import Any

from zapauth import __version__

_DESCRIPTION = """\
Who is logged in where, and an end to it that is true: when a logout has been answered, no worker accepts the token any
more. Two dialects speak to one core and one directory of users.

**ZAP**, under `/v1`, takes JSON and answers `{"success": true, "data": …}` or `{"success": false, "message", "code"}`,
with `errors` by field where fields are at fault. `code` is the word to switch on.

**Buddy**, at the root, takes JSON, forms or nothing at all, and answers
`{"status", "result", "request_id", "success": true}` or
`{"status", "error", "errorNumber", "message", "request_id", "success": false}`. `errorNumber` is what to switch on.
Names of parameters count in any case of letters (`appId`, `appID`, `appid`); `null` is the same as left out, a number
does for a text. An *app-level* token stands for an app on a device, a *user-level* one for a user on it.

In both a trailing slash is the same path, unknown parameters are ignored, blanks at the ends of a text don't count
(of a password they do), and no text may hold a NUL.
"""
_TAGS = {
    "ZAP: login": "A short-lived access token, and a refresh token for as long as the session lasts.",
    "ZAP: logout": "The end of one session, of those on a device, of all; and which there are.",
    "ZAP: users": "",
    "ZAP: passwords": "",
    "Buddy: devices": "Where everything begins: a device gets an app-level token.",
    "Buddy: login and logout": "A user-level token, and back to an app-level one.",
    "Buddy: users": "",
    "Buddy: passwords": "",
    "Buddy: service": "",
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
    "POSTPROCESSING_HOOKS": [],
    "GET_MOCK_REQUEST": "zapauth.schema.document.request_for",
    # Of inputs, what must not be empty; answers are not described by serializers.
    "ENFORCE_NON_BLANK_FIELDS": True,
    # Docstrings are for those who read the code.
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
}
