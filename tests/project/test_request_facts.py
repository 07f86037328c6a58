"""The client's address behind our own proxies."""

import pytest

from sessions.models import Session
from tests.phones import PASSWORD, InProcess, ZapPhone


@pytest.mark.parametrize(
    ("proxies", "header", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),  # without proxies the header is ignored
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.2.3.4, 203.0.113.9", "203.0.113.9"),  # the client can write the left one
        (2, "1.2.3.4, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "not an address", None),
    ],
)
def test_the_address_on_record_is_the_one_that_our_proxies_saw(db, settings, proxies, header, address):
    settings.TRUSTED_PROXIES = proxies
    phone = ZapPhone(InProcess()).sign_up()
    body = f'{{"identity": "{phone.username}", "password": "{PASSWORD}"}}'
    headers = {"X-Forwarded-For": header, "User-Agent": "x" * 600, "Content-Type": "application/json"}
    assert phone.send("POST", "/v1/login", headers=headers, content=body).status == 200
    session = Session.objects.order_by("created_at").last()
    assert session.ip == address
    assert session.user_agent == "x" * 512


@pytest.mark.parametrize("header", ["::ffff:203.0.113.9", "::FFFF:cb00:7109", "1.2.3.4, ::ffff:203.0.113.9"])
def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address(db, settings, header):
    settings.TRUSTED_PROXIES = 1
    phone = ZapPhone(InProcess()).sign_up()
    body = f'{{"identity": "{phone.username}", "password": "{PASSWORD}"}}'
    headers = {"X-Forwarded-For": header, "Content-Type": "application/json"}
    assert phone.send("POST", "/v1/login", headers=headers, content=body).status == 200
    assert Session.objects.order_by("created_at").last().ip == "203.0.113.9"
