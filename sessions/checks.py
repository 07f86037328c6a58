"""Checks of the settings that sessions depend on, for `manage.py check`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.http.request import validate_host
from phonenumbers import SUPPORTED_REGIONS

from sessions.geography import GeographyError, open_file
from sessions.mail_samples import unusable_templates
from sessions.tokens.keys import BadSigningKeys, key_ring
from sessions.tokens.published import is_issuer_url
from users.clients import OWN_NAMES


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
    if settings.ZAP_APP not in OWN_NAMES:
        return []
    return [
        Error(
            f"ZAP_APP is {settings.ZAP_APP!r}, which is a name of one of the service's own apps.",
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
            id="user_sessions.E006",
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


@register("security", deploy=True)
def check_public_url_is_set(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.PUBLIC_URL:
        return []
    return [
        checks.Warning(
            'PUBLIC_URL is not set: mails have no link "That wasn\'t me".',
            hint="PUBLIC_URL=https://auth.example.org",
            id="user_sessions.W004",
        )
    ]


@register("security", deploy=True)
def check_issuer(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if is_issuer_url(settings.TOKEN_ISSUER):
        return []
    return [
        checks.Warning(
            "TOKEN_ISSUER is not a URL: other services can't find the keys and routes by it (RFC 8414).",
            hint="Set PUBLIC_URL, which is its default. Tokens with the present issuer go on working if"
            " EARLIER_TOKEN_ISSUERS has it.",
            id="user_sessions.W006",
        )
    ]


# Not "security": a wrong address in a mail keeps no operator from ending sessions.
@register("mail")
def check_public_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    problem = _problem_of_url(settings.PUBLIC_URL) if settings.PUBLIC_URL else ""
    if not problem:
        return []
    return [
        Error(
            f"PUBLIC_URL {problem}, so the links in mails would not work.",
            hint="Scheme, host and perhaps a port: PUBLIC_URL=https://auth.example.org",
            id="user_sessions.E004",
        )
    ]


@register("mail")
def check_mail_templates(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    folder = settings.MAIL_TEMPLATES
    if folder is None:
        return []
    if not folder.is_dir():
        problem, hint = "MAIL_TEMPLATES is not a folder that can be read.", "docs/mails.md says what belongs into it."
        return [Error(problem, hint=hint, id="user_sessions.E005")]
    return [
        checks.Warning(
            f"MAIL_TEMPLATES: {name} can't be used: {why}.",
            hint="Mails have our text instead. docs/mails.md lists the templates and their variables.",
            id="user_sessions.W005",
        )
        for name, why in unusable_templates(folder)
    ]


def _problem_of_url(text: str) -> str:
    """Return what is wrong with that public URL, or an empty text."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port  # raises ValueError for a port that is no number
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host or any(letter.isspace() for letter in text):
        return "is not a URL that begins with https:// or http://"
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "has more than a scheme, a host and a port"
    if settings.HTTPS and parts.scheme != "https":
        return "begins with http://, but HTTPS is on"
    if not settings.IS_LOCAL and settings.ALLOWED_HOSTS and not validate_host(host, settings.ALLOWED_HOSTS):
        return "has a host that is not in ALLOWED_HOSTS"
    return ""
