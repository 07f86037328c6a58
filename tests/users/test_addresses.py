"""Each address has one spelling."""

import pytest

from users.addresses import plain_address, plain_network


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::192.0.2.1", "::c000:201"),  # deprecated forms, and others
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("192.0.2.1:80", None),
    ],
)
def test_an_address_has_one_spelling(text, plain):
    assert plain_address(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::/0", "::/0"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_a_network_has_one_spelling(text, plain):
    assert plain_network(text) == plain
