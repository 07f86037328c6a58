"""Which characters may be in what people are known by."""

import pytest
from django.core.exceptions import ValidationError

from tests.bad_input.oddities import INVISIBLE
from users.printable import validate_identity, validate_name


@pytest.mark.parametrize("check", [validate_identity, validate_name])
@pytest.mark.parametrize("character", [*INVISIBLE, "\0", "\ud800"], ids=ascii)
def test_a_character_that_nobody_sees_is_refused_wherever_it_is(check, character):
    for text in (character, f"{character}ann", f"a{character}nn", f"ann{character}"):
        with pytest.raises(ValidationError, match="can't be seen"):
            check(text)


PLAIN = ["", "ann", "Ann Lee", "Élise Łuk", "e\u0301lise", "山田 太郎", "عبد الله", "🙂", "x" * 150]


@pytest.mark.parametrize("text", PLAIN)
def test_letters_of_any_script_are_taken(text):
    validate_identity(text)
    validate_name(text)


def test_a_name_may_have_the_spaces_and_the_joiners_of_its_script_and_an_email_may_not():
    japanese, french, persian, pilot = "山田\u3000太郎", "M.\u00a0Dupont", "می\u200cنگین", "👩\u200d✈"
    hebrew, hyphen, wales = "דן\u200f", "Ann\u00adLee", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
    for name in (japanese, french, persian, pilot, hebrew, hyphen, wales):
        validate_name(name)
        with pytest.raises(ValidationError):
            validate_identity(name)
