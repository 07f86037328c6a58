"""PUBLIC_URL: where links in mails lead, and the checks of it."""

import pytest
from django.core.checks import run_checks

from tests.commands.terminal import manage


@pytest.fixture
def production(settings):
    settings.IS_LOCAL, settings.HTTPS, settings.ALLOWED_HOSTS = False, True, ["auth.example.org", ".example.com"]
    return settings


def found(url, settings):
    settings.PUBLIC_URL = url
    return [(message.id, message.msg) for message in run_checks(tags=["mail"])]


@pytest.mark.parametrize("url", ["https://auth.example.org", "https://x.example.com:8443", ""])
def test_a_sound_address_passes(production, url):
    assert found(url, production) == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("auth.example.org", "is not a URL that begins"),
        ("ftp://auth.example.org", "is not a URL that begins"),
        ("https://", "is not a URL that begins"),
        ("https://auth.example.org:x", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://auth.example.org/ x", "is not a URL that begins"),
        ("https://auth.example.org/zap", "more than a scheme"),
        ("https://auth.example.org?x", "more than a scheme"),
        ("https://eve:x@auth.example.org", "more than a scheme"),
        ("http://auth.example.org", "HTTPS is on"),
        ("https://evil.example", "not in ALLOWED_HOSTS"),
    ],
)
def test_an_address_that_would_not_work_is_an_error(production, url, why):
    ((number, text),) = found(url, production)
    assert number == "user_sessions.E004"
    assert why in text


def test_a_local_address_may_be_plain_http(settings):
    settings.IS_LOCAL, settings.HTTPS = True, False
    assert found("http://localhost:8000", settings) == []


def test_a_production_without_it_is_warned(settings):
    for url, numbers in (("", ["user_sessions.W004"]), ("https://auth.example.org", [])):
        settings.PUBLIC_URL = url
        warned = [message.id for message in run_checks(tags=["security"], include_deployment_checks=True)]
        assert [number for number in warned if number == "user_sessions.W004"] == numbers


def test_an_operators_command_works_with_a_wrong_address(db, settings):
    settings.PUBLIC_URL, settings.MAIL_TEMPLATES = "nonsense", None
    assert manage("sessions --count").code in (0, 2)
