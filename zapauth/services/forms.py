"""Forms as OAuth 2.0 sends them."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.serializers import CharField, Serializer

from zapauth.dialect import FormBody, read_body


class RepeatedParameter(ParseError):
    """A parameter comes twice. Two programs could read different values (RFC 6749 §3.2)."""


class OAuthForm(FormBody):
    """Parses a form in which each parameter comes once. Parameters without a value are left out (RFC 6749 §3.2)."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            form = QueryDict(read_body(parser_context), encoding="utf-8")
        except (ValueError, SuspiciousOperation) as error:
            raise ParseError("The form is not valid.") from error
        if any(len(values) > 1 for _, values in form.lists()):
            raise RepeatedParameter
        return {name: value for name, value in form.items() if value}


class TokenForm(Serializer[Any]):
    """A token to introspect or to revoke (RFC 7662 §2.1, RFC 7009 §2.1)."""

    token = CharField()
    token_type_hint = CharField(required=False)
