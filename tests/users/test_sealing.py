"""Sealing: which values the keys in the settings can decrypt."""

import pytest

from users.clients import create_app, shared_secret_of
from users.models import App
from users.sealing import CannotUnseal, Purpose, seal, unseal

# Encrypted when only apps had secrets.
EARLIER_SECRET = (
    "gAAAAABrAdws-fLuSyC_sbsJKt6EoBQ26jeXxgLeGWaHmAlmvK1X0pDCJBqpwV9q3GkZ"
    "WWIQ_D4QQtCPfJIlyNLyBfeJVSrAo0cESAJRmM2KqRVaHiE49M8="
)


@pytest.mark.parametrize("text", ["", "x", "é ü \N{SNOWMAN}", "t" * 4096])
@pytest.mark.parametrize("purpose", Purpose)
def test_a_sealed_text_is_opened_again_and_does_not_contain_the_text(text, purpose):
    sealed = seal(text, purpose)
    assert unseal(sealed, purpose) == text
    assert len(text) < 3 or text.encode() not in sealed
    assert seal(text, purpose) != sealed


def test_each_purpose_has_a_key_of_its_own():
    with pytest.raises(CannotUnseal):
        unseal(seal("text", Purpose.APP_SECRET), Purpose.DEVICE_TOKEN)


@pytest.mark.parametrize(
    "damage", [lambda box: box[:-1], lambda box: box[:-1] + b"\0\0", lambda _: b"", lambda _: b"x"]
)
def test_a_damaged_value_is_not_opened(damage):
    with pytest.raises(CannotUnseal):
        unseal(damage(seal("text", Purpose.DEVICE_TOKEN)), Purpose.DEVICE_TOKEN)


def test_a_value_under_an_earlier_key_is_opened_as_long_as_that_is_a_fallback(settings):
    sealed = seal("text", Purpose.DEVICE_TOKEN)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", ["another", settings.SECRET_KEY]
    assert unseal(sealed, Purpose.DEVICE_TOKEN) == "text"
    settings.SECRET_KEY_FALLBACKS = ["another"]
    with pytest.raises(CannotUnseal, match="SECRET_KEY"):
        unseal(sealed, Purpose.DEVICE_TOKEN)


def test_a_new_value_is_sealed_under_the_new_key_and_not_under_a_fallback(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [settings.SECRET_KEY]
    sealed = seal("text", Purpose.DEVICE_TOKEN)
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(sealed, Purpose.DEVICE_TOKEN) == "text"


def test_a_shared_secret_that_was_sealed_before_device_tokens_were_is_still_opened(settings):
    settings.SECRET_KEY = "an earlier secret key"
    assert shared_secret_of(App(sealed_secret=EARLIER_SECRET)) == "the shared secret"


def test_a_new_apps_shared_secret_is_stored_sealed(db):
    new = create_app("Signed", signed=True)
    stored = App.objects.get()
    assert new.shared_secret not in stored.sealed_secret
    assert shared_secret_of(stored) == new.shared_secret
