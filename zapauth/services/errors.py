"""The status, word and description of each error for services. Words are on the wire: add, never rename."""

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed, NotFound, ParseError, UnsupportedMediaType, ValidationError

from users.errors import BadAppCredentials, NotYours
from zapauth.dialect import BodyTooLarge, field_errors
from zapauth.events.hub import TooManyStreams
from zapauth.server.bodies import BodyCutOff, BodyTimedOut
from zapauth.services import answers
from zapauth.services.forms import RepeatedParameter
from zapauth.unavailable import UNAVAILABLE, Unavailable


class TwoCredentials(Exception):
    """The request has credentials in its header and in its body (RFC 6749 §2.3)."""


# RFC 6749 §5.2 and §4.1.2.1 have these words, and OAuth clients know them: invalid_client, invalid_request,
# unauthorized_client, temporarily_unavailable, server_error. The first match counts, so subclasses come first.
_WORDS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (BadAppCredentials, 401, "invalid_client", "Send the id and the key of an app that is switched on."),
    (NotYours, 403, "unauthorized_client", "This app has no access to that (manage.py appaccess)."),
    (TwoCredentials, 400, "invalid_request", "Send the credentials in the header or in the body, not in both."),
    (NotFound, 404, "not_found", "There is nothing at this path."),
    (Http404, 404, "not_found", "There is nothing at this path."),
    (MethodNotAllowed, 405, "method_not_allowed", "This path does not take this method."),
    (UnsupportedMediaType, 400, "invalid_request", "The body has another content type than this path takes."),
    (BodyTooLarge, 400, "invalid_request", "The body is too large."),
    (BodyTimedOut, 408, "invalid_request", "The body did not arrive in time. Nothing was done; send it again."),
    (BodyCutOff, 400, "invalid_request", "The body ended early."),
    (RepeatedParameter, 400, "invalid_request", "A parameter comes twice."),
    (ParseError, 400, "invalid_request", "The body can't be read."),
    (SuspiciousOperation, 400, "invalid_request", "The request is malformed."),
    (TooManyStreams, 503, "temporarily_unavailable", "There is no room for another stream now. Try again."),
    (Unavailable, 503, "temporarily_unavailable", UNAVAILABLE),
)


def failure(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the answer to ``error``, or None if the error is a bug of ours."""
    if isinstance(error, ValidationError):
        return _invalid(error)
    for kind, status, word, description in _WORDS:
        if isinstance(error, kind):
            headers = {"WWW-Authenticate": 'Basic realm="zapauth", charset="UTF-8"'} if status == 401 else {}
            if isinstance(error, Unavailable):
                headers["Retry-After"] = str(error.retry_after)
            return answers.failure(status=status, error=word, description=description, headers=headers)
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    description = "An error occurred while processing the request."
    return answers.failure(status=500, error="server_error", description=description)


def _invalid(error: ValidationError) -> HttpResponse:
    """Return the answer about the first invalid parameter."""
    field, details = next(iter(field_errors(error).items()))
    text = str(details[0]) if field == "non_field_errors" else f"{field}: {details[0]}"
    return answers.failure(status=400, error="invalid_request", description=text)
