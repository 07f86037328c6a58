"""The filters of words in templates."""

import pytest

from users.templatetags.words import first_capital


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("logged out by the user", "Logged out by the user"),
        ("unknown", "Unknown"),
        ("iOS", "iOS"),
        ("iPhone app 3.2", "iPhone app 3.2"),
        ("Mac OS X", "Mac OS X"),
        ("", ""),
    ],
)
def test_a_name_that_begins_with_a_small_letter_stays_as_it_is(text, shown):
    assert first_capital(text) == shown
