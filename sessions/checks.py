"""Checks of the settings that sessions depend on, for `manage.py check`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from phonenumbers import SUPPORTED_REGIONS

from sessions.geography import GeographyError, open_file
from sessions.tokens.keys import BadSigningKeys, key_ring
from users.clients import ADMIN_APP_NAMES


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


@register("security")
def check_zap_app(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.ZAP_APP not in ADMIN_APP_NAMES:
        return []
    return [
        Error(
            f"ZAP_APP is {settings.ZAP_APP!r}, which is the name of the admin's app.",
            hint="Give the app of ZAP's clients another name.",
            id="user_sessions.E002",
        )
    ]


# The operators' commands run the checks of "security" only. So a broken file keeps nobody from ending sessions.
@register("geography")
def check_geography(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.GEOIP_PATH is None:
        return []
    try:
        open_file(settings.GEOIP_PATH)
    except GeographyError as error:
        return [
            Error(
                f"GEOIP_PATH: {error}.",
                hint="Name a file of DB-IP Lite or GeoLite2 (City or Country, .mmdb), or a folder with such files. "
                "Or unset GEOIP_PATH.",
                id="user_sessions.E003",
            )
        ]
    return []


@register("phones")
def check_phone_region(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not settings.PHONE_REGION or settings.PHONE_REGION in SUPPORTED_REGIONS:
        return []
    return [
        Error(
            f"PHONE_REGION is {settings.PHONE_REGION!r}, which is no country with phone numbers.",
            hint="Set it to the ISO 3166-1 code of a country, such as DE. Or unset it.",
            id="user_sessions.E004",
        )
    ]


@register("security")
def check_throttling(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.THROTTLING:
        return []
    return [
        checks.Warning(
            "THROTTLING is off: passwords and reset codes can be guessed without limit.",
            hint="It is for load tests. Unset THROTTLING, or set it to on.",
            id="user_sessions.W001",
        )
    ]


@register("security", deploy=True)
def check_staff_second_factor(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.STAFF_SECOND_FACTOR:
        return []
    return [
        checks.Warning(
            "STAFF_SECOND_FACTOR is off: staff use the admin with a password alone, which can be stolen.",
            hint="Unset STAFF_SECOND_FACTOR, or set it to on. Staff then set up a second factor at their next log-in.",
            id="user_sessions.W003",
        )
    ]


@register("security", deploy=True)
def check_mail(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.EMAIL_BACKEND != "django.core.mail.backends.console.EmailBackend":
        return []
    return [
        checks.Warning(
            "Mail goes to the log: reset codes can be read there, and reach nobody else.",
            hint="EMAIL_URL=smtp+tls://user:password@smtp.example.org:587",
            id="user_sessions.W002",
        )
    ]
