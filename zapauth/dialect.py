"""The parts that both dialects share. Both read a request in the same way. Each answers in its own shape.

A dialect subclasses `DialectViewSet` and defines its errors in `failure`.
"""

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.request import UnreadablePostError
from django.utils.log import log_response
from rest_framework.exceptions import ErrorDetail, MethodNotAllowed, ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.settings import api_settings
from rest_framework.viewsets import ViewSet

from sessions.errors import TOKEN_ERRORS
from sessions.models import Session
from users.counting import token_refused
from users.models import User
from users.origin import Origin
from zapauth.unavailable import find_unavailable

logger = logging.getLogger("zapauth.requests")


class BodyTooLarge(ParseError):
    default_detail = "The body is too large."
    default_code = "body_too_large"


def json_response(
    body: Mapping[str, Any], *, status: int, content_type: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Make a JSON answer. It may contain a token, so caches must not store it (RFC 6749 §5.1)."""
    # JSON can contain a lone surrogate, UTF-8 can't. It is answered as an escape sequence.
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return HttpResponse(
        text, status=status, content_type=content_type, headers={"Cache-Control": "no-store", **(headers or {})}
    )


def field_errors(error: ValidationError) -> dict[str, list[ErrorDetail]]:
    """Return the error texts by field. Our inputs are flat, so DRF's details are flat, too."""
    return cast("dict[str, list[ErrorDetail]]", error.detail)


@cache
def made_once(kind: type[Serializer[Any]]) -> Serializer[Any]:
    """Return the serializer of that class. It is made once, because making one takes longer than most validations.

    Only `run_validation` is used, which keeps no state. So all requests may share the serializer.
    """
    return kind()


def validate(kind: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the values of ``data``, validated by that serializer. Raises: ValidationError."""
    if data is None:  # here DRF would raise an error with a list
        raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["No data provided"]})
    values: dict[str, Any] = made_once(kind).run_validation(data)
    return values


def read_query(request: HttpRequest) -> dict[str, Any]:
    """Return the fields of the query. If a name comes twice, the last one counts. Raises: SuspiciousOperation.

    The query is always read as UTF-8. Django would use the charset of the content type, even "hex".
    """
    try:
        return QueryDict(request.META["QUERY_STRING"], encoding="utf-8").dict()
    except ValueError as error:
        raise SuspiciousOperation("The query can't be read.") from error


def read_body(parser_context: Mapping[str, Any] | None) -> bytes:
    """Return the whole body. Raises: BodyTooLarge, if it is over the limit; ParseError, if it ended early."""
    try:
        body: bytes = (parser_context or {})["request"].body
    except RequestDataTooBig as error:
        raise BodyTooLarge from error
    except UnreadablePostError as error:
        raise ParseError("The body ended early.") from error
    return body


class JSONBody(BaseParser):
    """Parses JSON (RFC 8259) strictly: UTF-8 only, and no NaN."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = read_body(parser_context)
        try:
            return json.loads(self.text(body), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            # RecursionError: the body is nested too deeply.
            raise ParseError("The body is not valid JSON.") from error

    def text(self, body: bytes) -> str:
        return body.decode("utf-8-sig")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class FormBody(BaseParser):
    """Parses `application/x-www-form-urlencoded`. If a name comes twice, the last one counts."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            return QueryDict(read_body(parser_context), encoding="utf-8").dict()
        except (ValueError, SuspiciousOperation) as error:
            raise ParseError("The form is not valid.") from error


class OneShape(BaseContentNegotiation):
    """Ignores the `Accept` header, because a dialect has only one format of answers."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        given = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class NoRenderer(BaseRenderer):
    """Renders nothing. DRF needs a renderer, but `json_response` already makes the bytes of every answer."""

    media_type = "application/json"


class DialectViewSet(ViewSet):
    """A viewset that answers every request in its dialect, including failed ones."""

    parser_classes: Any = [JSONBody]
    renderer_classes: Any = [NoRenderer]
    content_negotiation_class = OneShape
    metadata_class: Any = None  # without this DRF answers OPTIONS with its own description of the view

    @staticmethod
    def failure(request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the dialect's answer to ``error``, or None if the error is a bug of ours."""
        raise NotImplementedError

    @staticmethod
    def server_error(request: HttpRequest) -> HttpResponse:
        """Return the dialect's answer to a bug of ours: 500."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """The caller's session."""
        return cast(Session, self.request.auth)

    @property
    def user(self) -> User:
        """The caller. Use it only on routes that refuse requests without a user."""
        return cast(User, self.request.user)

    @property
    def origin(self) -> Origin:
        return Origin.of(self.request._request)

    @property
    def allowed_methods(self) -> list[str]:
        """The methods for the `Allow` header (RFC 9110 §10.2.1)."""
        actions = self.action_map.items()
        return [method.upper() for method, action in actions if action != "http_method_not_allowed"]

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Only a part of DRF's own steps: we negotiate neither format nor version. The method is checked first, so a
        # wrong one gets the same answer with any token.
        if self.action_map.get((request.method or "").lower(), "http_method_not_allowed") == "http_method_not_allowed":
            raise MethodNotAllowed(request.method or "")
        self.perform_authentication(request)
        self.check_permissions(request)

    def finalize_response(self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        return response  # the dialect has already made it

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        request = self.request._request
        if isinstance(exc, TOKEN_ERRORS):
            token_refused(exc.rule)
        answer = self.failure(request, find_unavailable(exc) or exc)
        if answer is not None:
            if isinstance(exc, MethodNotAllowed):
                answer["Allow"] = ", ".join(self.allowed_methods)
            if answer.status_code == 403:
                # The route and not the path, because a client may have typed anything into a path.
                route = request.resolver_match.route if request.resolver_match else ""
                logger.info("refused: the caller may not %s %s", request.method, route)
            return answer
        response = self.server_error(request)
        log_response("Internal Server Error: %s", request.path, response=response, request=request, exception=exc)
        got_request_exception.send(sender=type(self), request=request)
        return response
