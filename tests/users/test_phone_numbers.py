"""Phone numbers are read however they are written."""
# ruff: noqa: RUF001  # texts with letters that look alike

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from users.phone_numbers import phone_forms

STORED = "990000029033"


@pytest.mark.parametrize(
    "written",
    [
        *("+990000029033", "+99 0000029033", "00990000029033", "0099 0000-029033", "+99 (0) 0000 029033"),
        *("tel:+99-0000-029033", "+99.0000.029033", "＋９９０００００２９０３３", "٠٠٩٩٠٠٠٠٠٢٩٠٣٣", "990000029033"),
        *("+99\u00a00000\u2011029033", " (0099) 0000 029033 "),
    ],
)
def test_a_whole_number_is_read_however_it_is_written(written):
    assert STORED in phone_forms(written).whole


@pytest.mark.parametrize("written", ["0990000029033", "0000029033", "029033", "00 29033 "])
def test_the_end_of_a_number_is_read(written):
    assert STORED.endswith(phone_forms(written).ending)


@pytest.mark.parametrize(
    "text", ["", "29033", "12345", "9" * 21, "+", "quin", "029033a", "1.2e10", "+99+0000029033", "%%%%%%"]
)
def test_what_is_no_number_or_too_short_is_not_read(text):
    assert phone_forms(text) is None


def test_a_number_without_its_country_is_read_with_the_region_of_the_setting(settings):
    assert "491701234567" not in phone_forms("0170 1234567").whole
    settings.PHONE_REGION = "DE"
    assert "491701234567" in phone_forms("0170 1234567").whole
    assert "442079460018" in phone_forms("+44 (0)20 7946 0018").whole


def test_a_stored_number_without_its_country_is_among_the_forms_of_the_whole_number():
    assert {"02079460018", "442079460018", "00442079460018"} <= phone_forms("0044 20 7946 0018").whole


@pytest.mark.parametrize(("region", "is_right"), [("", True), ("DE", True), ("ZZ", False), ("Germany", False)])
def test_a_region_that_does_not_exist_is_refused_by_the_check(settings, region, is_right):
    settings.PHONE_REGION = region
    if is_right:
        call_command("check", tags=["phones"])
    else:
        with pytest.raises(SystemCheckError, match=r"user_sessions\.E006"):
            call_command("check", tags=["phones"])
