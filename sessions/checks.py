"""What `manage.py check` says of the settings that sessions rest on."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from sessions.keys import BadSigningKeys, key_ring


@register("security")
def check_signing_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        key_ring(settings.SIGNING_KEYS)
    except BadSigningKeys as error:
        return [
            Error(
                f"SIGNING_KEYS: {error}.",
                hint="Make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                id="user_sessions.E001",
            )
        ]
    return []
