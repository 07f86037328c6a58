"""Access tokens have the shape of RFC 9068. Tokens of earlier versions go on working after an upgrade."""

from datetime import timedelta

import jwt
import pytest
import time_machine
from django.conf import settings as present

from sessions.models import Session
from sessions.tokens.keys import key_ring
from tests.phones import InProcess, ZapPhone
from users.clock import database_now

URL = "https://auth.example.org"


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def as_before(token, **changed):
    """Return the token as an earlier version would have issued it: another issuer, and no `client_id`."""
    claims = {name: value for name, value in (claims_of(token) | changed).items() if name != "client_id"}
    ring, header = key_ring(present.SIGNING_KEYS), jwt.get_unverified_header(token)
    return jwt.encode(claims, ring.signing, "ES256", headers={"kid": header["kid"], "typ": header["typ"]})


def test_an_access_token_has_all_that_rfc_9068_requires(new_phone, settings):
    settings.TOKEN_ISSUER = URL
    phone = new_phone().sign_up()
    header, claims = jwt.get_unverified_header(phone.access_token), claims_of(phone.access_token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= claims.keys()
    session = Session.objects.get(user=phone.user_id)
    assert (claims["iss"], claims["client_id"], claims["sub"]) == (URL, session.app_id, phone.user_id)


@pytest.mark.only("buddy")
def test_an_app_level_token_is_of_its_app_and_for_it(new_phone):
    phone = new_phone()
    phone.register_device()
    claims = claims_of(phone.app_token)
    assert claims["sub"] == claims["client_id"] == phone.app_id


@pytest.mark.only("zap")
def test_a_refresh_token_is_no_access_token_and_has_no_client_id(new_phone):
    token = new_phone().sign_up().refresh_token
    assert jwt.get_unverified_header(token)["typ"] == "refresh+jwt"
    assert "client_id" not in claims_of(token)


def test_tokens_from_before_the_upgrade_work_and_are_renewed_with_the_new_issuer(new_phone, settings):
    phone = new_phone().sign_up()
    settings.TOKEN_ISSUER = URL
    phone.access_token = as_before(phone.access_token, iss="zapauth")
    assert phone.me().status == 200
    if phone.refresh_token:
        phone.refresh_token = as_before(phone.refresh_token, iss="zapauth")
        with time_machine.travel(database_now() + timedelta(days=13), tick=False):
            renewed = phone.refresh()
            assert renewed.status == 200
            assert claims_of(renewed.json["data"]["token"])["iss"] == URL
            assert phone.me(renewed.json["data"]["token"]).status == 200
    assert phone.log_out().status == 200
    assert phone.me().status == 401


def test_an_issuer_works_as_long_as_the_settings_name_it(new_phone, settings):
    phone = new_phone().sign_up()
    token = as_before(phone.access_token, iss="https://old.example.org")
    assert phone.me(token).status == 401
    settings.EARLIER_TOKEN_ISSUERS = ["zapauth", "https://old.example.org"]
    assert phone.me(token).status == 200
    settings.EARLIER_TOKEN_ISSUERS = []
    assert phone.me(token).status == 401
    assert phone.me(as_before(phone.access_token, iss="zapauth")).status == 401


def test_a_retired_key_verifies_until_it_is_removed(db, settings):
    from sessions.tokens.keys import new_private_key_pem

    phone, old = ZapPhone(InProcess()).sign_up(), settings.SIGNING_KEYS
    settings.SIGNING_KEYS = new_private_key_pem() + old
    assert phone.me().status == 200
    assert phone.refresh().status == 200
    assert phone.me(phone.last.json["data"]["token"]).status == 200
    settings.SIGNING_KEYS = settings.SIGNING_KEYS.removesuffix(old)
    # The refresh token lives as long as its session. So it is the token that an early removal hits.
    assert phone.refresh().status == 401
