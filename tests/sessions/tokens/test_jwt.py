"""Tokens: claims, keys and rotation of keys."""

import json
from base64 import urlsafe_b64decode

import jwt
import pytest

from sessions.errors import TokenInvalid
from sessions.models import Session
from sessions.tokens.jwt import CLAIMS, AnyAccessToken, RefreshToken, UserAccessToken
from sessions.tokens.keys import BadSigningKeys, key_ring, new_private_key_pem, thumbprint


def test_a_token_carries_its_claims_and_nothing_personal(new_phone):
    phone = new_phone().sign_up()
    claims = jwt.decode(phone.access_token, options={"verify_signature": False})
    session = Session.objects.get(user_id=phone.user_id)
    assert set(claims) == {*CLAIMS, "client_id"}
    assert (claims["sub"], claims["sid"], claims["aud"]) == (phone.user_id, str(session.pk), session.app_id)
    assert phone.username not in json.dumps(claims)


def test_the_header_names_the_key_and_the_type(new_phone, settings):
    phone = new_phone().sign_up()
    header = jwt.get_unverified_header(phone.access_token)
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": key_ring(settings.SIGNING_KEYS).signing_kid}


def test_the_name_of_a_key_is_the_thumbprint_of_rfc_7638(settings):
    # The example of RFC 7638 is an RSA key. This thumbprint was computed with another implementation.
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    key = jwt.algorithms.ECAlgorithm.from_jwk(jwk)
    assert thumbprint(key) == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"


def test_rotating_the_signing_key_logs_nobody_out(new_phone, settings):
    old = settings.SIGNING_KEYS
    phone = new_phone().sign_up()
    settings.SIGNING_KEYS = new_private_key_pem() + old
    assert phone.me().status == 200
    newcomer = new_phone().sign_up()
    kids = [jwt.get_unverified_header(each.access_token)["kid"] for each in (phone, newcomer)]
    assert kids[0] != kids[1]
    assert newcomer.me().status == 200
    settings.SIGNING_KEYS = settings.SIGNING_KEYS.removesuffix(old)
    assert phone.me().status == 401
    assert newcomer.me().status == 200


def test_keys_may_be_written_on_one_line(settings):
    pem = settings.SIGNING_KEYS
    assert key_ring(pem.replace("\n", "\\n")).signing_kid == key_ring(pem).signing_kid


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_keys_that_cannot_be_used_say_why_and_show_nothing(pem):
    with pytest.raises(BadSigningKeys) as caught:
        key_ring(pem)
    assert "AAAA" not in str(caught.value)


@pytest.mark.only("zap")
def test_each_kind_of_token_is_good_for_its_own_purpose_only(new_phone):
    phone = new_phone().sign_up()
    with pytest.raises(TokenInvalid):
        UserAccessToken.read(phone.refresh_token)
    with pytest.raises(TokenInvalid):
        AnyAccessToken.read(phone.refresh_token)
    with pytest.raises(TokenInvalid):
        RefreshToken.read(phone.access_token)


@pytest.mark.only("zap")
def test_no_token_is_kept_in_a_form_that_can_be_used(new_phone, django_assert_num_queries):
    from django.db import connection

    phone = new_phone(device_token="phone").sign_up()
    phone.refresh()
    secrets = [phone.access_token, phone.refresh_token]
    signatures = [token.rpartition(".")[2] for token in secrets]
    assert all(urlsafe_b64decode(signature + "==") for signature in signatures)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            text = " ".join(row[0] for row in cursor.fetchall())
            assert not any(signature in text for signature in signatures), table
