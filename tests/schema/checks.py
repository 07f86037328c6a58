"""The checks of every answer: those of schemathesis and some for our dialects."""

import re
from typing import Any

from schemathesis import Case, CheckContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.schema.callers import Caller, dialect_of, is_well_formed
from tests.schema.forgiven import is_fair


def not_a_server_error(ctx: CheckContext, response: Response, case: Case) -> None:
    if response.status_code >= 500:
        raise _failure(case, "A server error", f"{response.status_code}: {response.text}")


def content_type_to_the_letter(ctx: CheckContext, response: Response, case: Case) -> None:
    """Check the whole content type. Schemathesis ignores its parameters, but one client compares the whole header."""
    definition = case.operation.responses.find_by_status_code(response.status_code)
    documented = list(definition.definition["content"]) if definition else []
    if response.headers.get("content-type") not in [[each] for each in documented]:
        raise _failure(case, "Another content type", f"{response.headers.get('content-type')}, not {documented}")


def wrong_method_as_documented(ctx: CheckContext, response: Response, case: Case) -> None:
    """Check the answer to a method that the path does not take. Schemathesis checks only its status."""
    if response.status_code != 405:
        return
    case.operation.validate_response(response, case=case)
    documented = {method.upper() for method in case.operation.schema[case.operation.path]}
    allowed = set(response.headers["allow"][0].split(", ")) - {"HEAD"}
    if allowed != documented and is_well_formed(case, ParameterLocation.PATH):
        raise _failure(case, "Other methods are allowed", f"{allowed}, not {documented}")


def checks_for(caller: Caller) -> list[Any]:  # noqa: C901  # four short checks, one function
    """Return all checks, including those that depend on the caller."""

    def the_malformed_is_refused(ctx: CheckContext, response: Response, case: Case) -> None:
        try:
            negative_data_rejection(ctx, response, case)
        except AcceptedNegativeData:
            if not is_fair(case, response, caller):
                raise

    def the_well_formed_is_not_called_malformed(ctx: CheckContext, response: Response, case: Case) -> None:
        try:
            positive_data_acceptance(ctx, response, case)
        except RejectedPositiveData:
            if is_fair(case, response, caller) and not _is_refused_by_a_rule(case, response):
                raise

    def nobody_gets_in(ctx: CheckContext, response: Response, case: Case) -> None:
        security = case.operation.definition.raw["security"]
        shut = security and ({} not in security or caller.authorization)
        # A form may have credentials. So a malformed form of a service is refused before them.
        refusals = (400, 401, 404, 405) if dialect_of(case) == "services" else (401, 404, 405)
        if caller.role == "nobody" and shut and response.status_code not in refusals:
            raise _failure(case, "Without a good token", f"{response.status_code}, with {caller.authorization!r}")

    def strangers_are_kept_out(ctx: CheckContext, response: Response, case: Case) -> None:
        if caller.role == "stranger" and "id" in case.path_parameters and response.status_code < 300:
            raise _failure(case, "Of another user's", f"{response.status_code}")

    return [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        content_type_to_the_letter,
        response_headers_conformance,
        response_schema_conformance,
        wrong_method_as_documented,
        unsupported_method,
        the_malformed_is_refused,
        the_well_formed_is_not_called_malformed,
        nobody_gets_in,
        strangers_are_kept_out,
    ]


def _is_refused_by_a_rule(case: Case, response: Response) -> bool:
    """Return whether a rule refuses a well-formed request.

    The rules: a name is taken, a password is weak, or `{"scope": "this"}` is about another user.
    """
    answer = response.json()
    poor = re.search("password: .* too (common|similar)", answer.get("message", ""), re.IGNORECASE) is not None
    this = isinstance(case.body, dict) and case.body.get("scope") == "this" and "scope" in answer.get("errors", ())
    return response.status_code == 422 or answer.get("error") == "ItemAlreadyExists" or this or poor


def _failure(case: Case, title: str, message: str) -> Failure:
    return Failure(operation=case.operation.label, title=title, message=message)
