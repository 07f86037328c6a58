"""Debian's mod_auth_openidc in a real Apache is a resource server: once by introspection, once by our keys."""

import re
from contextlib import ExitStack

import jwt
import pytest
from django.conf import settings

from sessions.tokens.keys import key_ring
from tests.environment import ROOT
from tests.phones import Live
from tests.services.programs import https_host, running_apache
from users.clients import get_zap_app

BY_INTROSPECTION, BY_KEYS = re.findall(
    r"^```apache\n(.+?)^```$", (ROOT / "docs" / "tokens.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.fixture
def guarded(service, upstream, live_backend, tmp_path):
    """Start Apache with a configuration. Returns a function that calls through it with a token."""
    with ExitStack() as stack:

        def start(configuration):
            url, host = https_host(tmp_path, service.base_url)
            for placeholder, value in (
                ("https://auth.example.org", url),
                ("APP_ID", live_backend.app.pk),
                ("APP_KEY", live_backend.key),
                ("AUDIENCE", get_zap_app().pk),
            ):
                configuration = configuration.replace(placeholder, value)
            text = f"{configuration}OIDCOAuthSSLValidateServer Off\nProxyPass / {upstream}/\n"
            apache = running_apache(tmp_path, text, modules=["auth_openidc", "ssl"], more=host)
            call = Live(stack.enter_context(apache))
            return lambda token: call("GET", "/shop", headers={"Authorization": f"Bearer {token}"} if token else {})

        yield start


# Without this line the module's default cache can't hold tokens as long as ours, so it would store nothing anyway.
CACHE_OF_LONG_TOKENS = "OIDCCacheEncrypt On\n"
NO_CACHE = "OIDCOAuthTokenIntrospectionInterval -1\n"


def test_by_introspection_the_first_request_after_the_logout_is_refused(guarded, live_phone):
    ask = guarded(CACHE_OF_LONG_TOKENS + BY_INTROSPECTION)
    for _ in range(2):
        reply = ask(live_phone.access_token)
        assert reply.status == 200, reply
    assert reply.json["headers"]["oidc_claim_sub"] == live_phone.user_id
    assert (ask("").status, ask("x.y.z").status) == (401, 401)
    assert ask(live_phone.refresh_token).status == 401
    live_phone.log_out()
    assert ask(live_phone.access_token).status == 401


def test_with_the_modules_cache_a_logged_out_token_is_accepted_so_the_page_switches_it_off(guarded, live_phone):
    assert NO_CACHE in BY_INTROSPECTION
    ask = guarded(CACHE_OF_LONG_TOKENS + BY_INTROSPECTION.replace(NO_CACHE, ""))
    assert ask(live_phone.access_token).status == 200
    live_phone.log_out()
    assert ask(live_phone.access_token).status == 200


def test_by_the_keys_a_token_is_accepted_until_its_exp_even_after_the_logout(guarded, live_phone):
    ask = guarded(BY_KEYS)
    assert ask(live_phone.access_token).status == 200
    assert (ask("").status, ask("x.y.z").status) == (401, 401)
    assert ask(live_phone.refresh_token).status == 401
    live_phone.log_out()
    assert live_phone.me().status == 401
    # This is the price of a check without a question, and docs/tokens.md says so.
    assert ask(live_phone.access_token).status == 200
    ring, header = key_ring(settings.SIGNING_KEYS), jwt.get_unverified_header(live_phone.access_token)
    claims = jwt.decode(live_phone.access_token, options={"verify_signature": False})
    late = jwt.encode(claims | {"exp": claims["iat"] - 60}, ring.signing, "ES256", headers=header)
    assert ask(late).status == 401
