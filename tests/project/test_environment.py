"""Numbers in the environment that are too large for a date are refused at the start, and not by the first log-in."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from users.limits import LONGEST_SESSION
from zapauth.environment import Environment

TEN_YEARS = 315_360_000


def test_ten_years_are_the_longest_session(monkeypatch):
    monkeypatch.setenv("SESSION_LIFETIME", str(TEN_YEARS))
    read = Environment().seconds("SESSION_LIFETIME", timedelta(days=30), at_most=LONGEST_SESSION)
    assert read == timedelta(days=3650)
    monkeypatch.setenv("SESSION_LIFETIME", str(TEN_YEARS + 1))
    with pytest.raises(ImproperlyConfigured, match="SESSION_LIFETIME is a whole number, 1 to 315360000; it can't be"):
        Environment().seconds("SESSION_LIFETIME", timedelta(days=30), at_most=LONGEST_SESSION)


@pytest.mark.parametrize("digits", [20, 29, 30, 5000])
def test_a_number_of_many_digits_is_refused_in_plain_words(monkeypatch, digits):
    monkeypatch.setenv("SESSION_RETENTION", "9" * digits)
    with pytest.raises(
        ImproperlyConfigured, match="SESSION_RETENTION is a whole number, 1 to 3153600000; it can't be"
    ) as error:
        Environment().seconds("SESSION_RETENTION", timedelta(days=90))
    assert len(str(error.value)) < 250
