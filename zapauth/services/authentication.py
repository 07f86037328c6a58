"""Services authenticate as an app, with its id and its key (RFC 6749 §2.3.1)."""

import binascii
from base64 import b64decode
from typing import cast
from urllib.parse import unquote_plus

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from users.clients import get_service
from users.errors import BadAppCredentials
from users.models import App, is_object_id
from zapauth.dialect import FormBody
from zapauth.services.errors import TwoCredentials

_LONGEST_KEY = 200  # characters; ours have 43


class AppAuthentication(BaseAuthentication):
    """DRF authentication by an app's id and key: `request.auth` is the App.

    They come by HTTP Basic, each form-encoded, or as `client_id` and `client_secret` in a form.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, App]:
        """Find the app that sends the request. Raises: BadAppCredentials, TwoCredentials."""
        in_header, in_body = _in_header(request), _in_body(request)
        if in_header and in_body:
            raise TwoCredentials
        app_id, key = in_header or in_body or ("", "")
        if not is_object_id(app_id) or not 0 < len(key) <= _LONGEST_KEY:
            raise BadAppCredentials
        return AnonymousUser(), get_service(app_id, key)


def _in_header(request: Request) -> tuple[str, str] | None:
    """Return the credentials of HTTP Basic (RFC 7617), or None without a header. Raises: BadAppCredentials."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return None
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise BadAppCredentials
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadAppCredentials from error
    app_id, _, key = text.partition(":")
    return unquote_plus(app_id), unquote_plus(key)


def _in_body(request: Request) -> tuple[str, str] | None:
    """Return the credentials in a form, or None if it has no secret."""
    content_type = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if request.method != "POST" or content_type != FormBody.media_type:
        return None
    given = cast("dict[str, str]", request.data)
    return (given.get("client_id", ""), given["client_secret"]) if "client_secret" in given else None
