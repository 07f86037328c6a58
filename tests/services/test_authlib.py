"""Authlib as a resource server, against a real server: by introspection, and by our keys (RFC 9068)."""

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet


@pytest.fixture
def metadata(service):
    return requests.get(f"{service.base_url}/.well-known/oauth-authorization-server", timeout=30).json()


@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
def oauth_client(request, live_backend):
    """Authlib's client with the credentials of the backend."""
    facts = {"token_endpoint_auth_method": request.param, "revocation_endpoint_auth_method": request.param}
    with OAuth2Session(live_backend.app.pk, live_backend.key, **facts) as made:
        yield made


def test_authlib_introspects_and_revokes(oauth_client, metadata, live_phone):
    class Validator(IntrospectTokenValidator):
        def introspect_token(self, token_string):
            reply = oauth_client.introspect_token(metadata["introspection_endpoint"], token=token_string)
            reply.raise_for_status()
            return reply.json()

    def validate(text):
        validator = Validator()
        token = validator.authenticate_token(text)
        validator.validate_token(token, None, None)
        return token

    assert validate(live_phone.access_token)["sub"] == live_phone.user_id
    reply = oauth_client.revoke_token(metadata["revocation_endpoint"], token=live_phone.access_token)
    assert reply.status_code == 200
    assert live_phone.me().status == 401
    for token in (live_phone.access_token, live_phone.refresh_token, "x"):
        with pytest.raises(InvalidTokenError):
            validate(token)


def test_authlib_validates_access_tokens_by_our_keys_and_takes_no_refresh_token(metadata, live_phone):
    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())

    audience = jwt.decode(live_phone.access_token, options={"verify_signature": False})["aud"]

    def validate(text, *, audience=audience):
        validator = Validator(metadata["issuer"], audience)
        token = validator.authenticate_token(text)
        validator.validate_token(token, None, None)
        return token

    assert validate(live_phone.access_token)["client_id"] == audience
    for text, of in ((live_phone.refresh_token, audience), (live_phone.access_token, "other")):
        with pytest.raises(InvalidTokenError):
            validate(text, audience=of)
