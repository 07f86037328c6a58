"""Introspection and revocation of tokens (RFC 7662, RFC 7009), for apps with access to tokens."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from sessions.introspection import LiveToken, find_live_token
from sessions.revocation import revoke
from sessions.tokens.published import INTROSPECTION, sign_introspection
from users.clock import database_now
from users.models import Access
from zapauth.dialect import validate
from zapauth.services import answers
from zapauth.services.forms import OAuthForm, TokenForm
from zapauth.services.viewsets import ServiceViewSet
from zapauth.shapes import OBJECT_ID, TEXT, UUID, Field, Shape, constant

SIGNED = f"application/{INTROSPECTION}"
REFRESH_TOKEN = "refresh_token"
_SECONDS = {"type": "integer", "description": "Seconds since 1970 (RFC 7519 §2)."}
INACTIVE = {"active": False}
ACTIVE = Shape[LiveToken](
    "ActiveToken",
    {
        "active": Field(constant(True), lambda _: True),
        "token_type": Field(
            {"type": "string", "enum": ["Bearer", REFRESH_TOKEN]},
            lambda live: REFRESH_TOKEN if live.is_refresh else "Bearer",
        ),
        "client_id": Field(OBJECT_ID, lambda live: live.session.app_id),
        "sub": Field(OBJECT_ID, lambda live: live.token["sub"]),
        "aud": Field(OBJECT_ID, lambda live: live.token["aud"]),
        "iss": Field(TEXT, lambda live: live.token["iss"]),
        "sid": Field(UUID, lambda live: str(live.session.pk)),
        "level": Field(
            {"type": "string", "enum": ["app", "user"]}, lambda live: "app" if live.session.is_app_level else "user"
        ),
        "jti": Field(TEXT, lambda live: live.token["jti"]),
        "iat": Field(_SECONDS, lambda live: live.token["iat"]),
        "exp": Field(_SECONDS, lambda live: live.token["exp"]),
    },
    description="The token is accepted at this moment. Ask again for the next request.",
)


class TokenViewSet(ServiceViewSet):
    access = "token_access"
    parser_classes: Any = [OAuthForm]

    def introspect(self, request: Request) -> HttpResponse:
        given = validate(TokenForm, request.data)
        live = find_live_token(
            given["token"],
            only_app=None if self.reach is Access.ALL else self.app.pk,
            takes_refresh=given.get("token_type_hint") == REFRESH_TOKEN,
        )
        told = INACTIVE if live is None else ACTIVE(live)
        if not _wants_signed(request):
            return answers.answer(told)
        at = database_now() if live is None else live.session.checked_at
        return answers.text(sign_introspection(told, audience=self.app.pk, at=at), content_type=SIGNED)

    def revoke(self, request: Request) -> HttpResponse:
        given = validate(TokenForm, request.data)
        revoke(given["token"], by=self.app, only_own=self.reach is not Access.ALL, origin=self.origin)
        return answers.answer({})


def _wants_signed(request: Request) -> bool:
    """Return whether the caller prefers the signed answer (RFC 9701 §4). `*/*` does not ask for it."""
    try:
        return request._request.get_preferred_type([answers.CONTENT_TYPE, SIGNED]) == SIGNED
    except (LookupError, ValueError):  # Django can't read the header, such as a parameter in an unknown charset
        return False
