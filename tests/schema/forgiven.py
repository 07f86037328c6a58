"""Tell which invalid requests the dialects accept on purpose, because published clients send them.

The description explains this in words. A schema that allowed these requests would be too wide to be of use.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ValidationError
from jsonschema import Draft202012Validator
from rest_framework.serializers import BooleanField
from schemathesis import Case, Response

from tests.bad_input.routes import DESCRIPTIVE
from tests.schema.callers import Caller, dialect_of
from tests.schema.document import document
from users.printable import validate_identity, validate_name

PASSWORDS = ("password", "oldPassword", "newPassword")
_CHECKED = {validate_identity: ("email", "username"), validate_name: ("name", "firstName", "lastName")}
SWITCHES = {str(value).lower() for value in BooleanField.TRUE_VALUES | BooleanField.FALSE_VALUES}


def is_fair(case: Case, response: Response, caller: Caller) -> bool:
    """Return whether the parameters of ``case`` match the schema, apart from the dialect's tolerance."""
    operation = case.operation.definition.raw
    if dialect_of(case) == "services" and _repeats(response):
        return False
    body, query = True, True
    if "requestBody" in operation:
        (name,) = {content["schema"]["$ref"] for content in operation["requestBody"]["content"].values()}
        schema = document()["components"]["schemas"][name.rpartition("/")[2]]
        body = _is_valid(_read(case, _body(response), schema, caller), schema)
    parameters = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    if parameters:
        schema = {"properties": {parameter["name"]: parameter["schema"] for parameter in parameters}}
        # If a name comes twice, the last value counts. An empty value counts as left out.
        sent = dict(parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True))
        given = {name: value for name, value in sent.items() if value != ""}
        query = _is_valid(_read(case, given, schema, caller), schema)
    return body and query


def _repeats(response: Response) -> bool:
    """Return whether a parameter of a form comes twice, which services must not send."""
    content = response.request.body or b""
    text = content if isinstance(content, str) else content.decode(errors="replace")
    names = [name for name, _ in parse_qsl(text, keep_blank_values=True)]
    return len(names) != len(set(names))


def _body(response: Response) -> Any:
    """Return the parsed body; None if it was empty or not JSON."""
    content = response.request.body or b""
    text = content if isinstance(content, str) else content.decode(errors="replace")
    if "urlencoded" in response.request.headers.get("Content-Type", ""):
        return dict(parse_qsl(text, keep_blank_values=True))
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_valid(value: Any, schema: dict[str, Any]) -> bool:
    formats = Draft202012Validator.FORMAT_CHECKER
    if not Draft202012Validator(schema, format_checker=formats).is_valid(value) or "\0" in _texts(value):
        return False
    if not _is_visible(value):
        return False
    # The push gate looks into its arrays, and removes blanks at the ends of a text, as everywhere.
    return all(text.strip() and "\0" not in text for text in _in_arrays(value))


def _is_visible(value: Any) -> bool:
    """Return whether the emails, user names and names have no characters that nobody can see."""
    for check, names in _CHECKED.items():
        for name in names:
            try:
                check(value.get(name) or "" if isinstance(value, dict) else "")
            except (ValidationError, AttributeError):  # it is invisible, or no text
                return False
    return True


def _in_arrays(value: Any) -> Iterator[str]:
    """Yield the texts in the arrays of the push gate."""
    for name in ("deviceTokens", "users"):
        found = value.get(name) if isinstance(value, dict) else None
        for each in found if isinstance(found, list) else []:
            texts = each.values() if isinstance(each, dict) else [each]
            yield from (text for text in texts if isinstance(text, str))


def _texts(value: Any) -> str:
    return "".join(text for text in value.values() if isinstance(text, str)) if isinstance(value, dict) else ""


def _read(case: Case, given: Any, schema: dict[str, Any], caller: Caller) -> Any:
    if dialect_of(case) == "services":
        return {name: value for name, value in _stripped_all(given).items() if value}
    if case.path.startswith("/v1"):
        return _read_zap(given, schema, caller)
    return _read_buddy(given, schema)


def _stripped_all(given: Any) -> dict[str, Any]:
    return {name: _stripped(name, value) for name, value in given.items()} if isinstance(given, dict) else {}


def _read_zap(given: Any, schema: dict[str, Any], caller: Caller) -> Any:
    if not isinstance(given, dict):
        return given if isinstance(given, list | str | int | float) else {}  # no body: no fields
    read = {name: _stripped(name, value) for name, value in given.items() if name in schema["properties"]}
    if caller.role != "staff" or read.get("roleId") == "":
        read.pop("roleId", None)
    return {name: _number(value, schema["properties"][name]) for name, value in read.items()}


def _read_buddy(given: Any, schema: dict[str, Any]) -> Any:
    if not isinstance(given, dict):
        return given or {}  # the PHP client's empty array, or no body
    names = {name.lower(): name for name in schema["properties"]}
    read: dict[str, Any] = {}
    for name, value in given.items():
        known = names.get(name.lower())
        if known and value is not None and read.get(known, "") == "":
            read[known] = _stripped(known, value)
    for name, value in list(read.items()):
        kind = schema["properties"][name]
        if name in DESCRIPTIVE and isinstance(value, bool | list | dict):
            del read[name]
            continue
        if name == "isProduction" and str(value).lower() in SWITCHES:
            read[name] = True
        elif name == "gender":
            read[name] = str(value).lower()
        elif isinstance(value, int | float) and not isinstance(value, bool) and kind.get("type") == "string":
            read[name] = str(value)
        else:
            read[name] = _number(value, kind)
        if read[name] == "" and name not in schema.get("required", ()):
            del read[name]
    return read


def _stripped(name: str, value: Any) -> Any:
    return value.strip() if isinstance(value, str) and name not in PASSWORDS else value


def _number(value: Any, schema: dict[str, Any]) -> Any:
    """Convert the text of an integer, because queries and forms contain only texts."""
    if schema.get("type") != "integer" or not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        return value
