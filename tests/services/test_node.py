"""npm's oauth4webapi and jose as a resource server, against a real server."""

import json
import shutil
import subprocess
from pathlib import Path

import jwt
import pytest

from tests.phones import Live
from tests.services.backends import new_backend
from users.models import Access

FOLDER = Path(__file__).parent / "node"


@pytest.fixture
def as_app(service):
    """Start the resource server with the credentials of an app. Returns a function that gives it an order."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "jose").is_dir():
        pytest.skip("needs node, and: make tests/services/node/node_modules")
    started = []

    def start(backend):
        command = [node, FOLDER / "resource_server.mjs", service.base_url, backend.app.pk, backend.key]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)

        def order(act, **given):
            process.stdin.write(json.dumps({"act": act, **given}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        return order

    yield start
    for process in started:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(30) == 0


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_oauth4webapi_discovers_introspects_and_revokes(as_app, service, live_phone, live_backend):
    order = as_app(live_backend)
    assert order("discover")["result"]["issuer"] == service.base_url
    assert order("discover", at=f"{service.base_url}/other")["error"] == "OAUTH_RESPONSE_IS_NOT_CONFORM"
    claims = claims_of(live_phone.access_token)
    for form in (False, True):
        for signed in (False, True):
            told = order("introspect", token=live_phone.access_token, form=form, signed=signed)["result"]
            assert (told["active"], told["sub"], told["jti"]) == (True, live_phone.user_id, claims["jti"])
    refresh = order("introspect", token=live_phone.refresh_token, hint="refresh_token")["result"]
    assert refresh["token_type"] == "refresh_token"
    assert order("revoke", token=live_phone.refresh_token, form=True) == {"result": None}
    assert live_phone.me().status == 401
    for token in (live_phone.access_token, "x"):
        for signed in (False, True):
            assert order("introspect", token=token, signed=signed) == {"result": {"active": False}}
        assert order("revoke", token=token) == {"result": None}


def test_oauth4webapi_understands_our_refusals(as_app, service, live_phone):
    own = new_backend(Live(service.base_url), token_access=Access.OWN)
    refused = as_app(own)("revoke", token=live_phone.access_token)
    assert (refused["status"], refused["error"]) == (403, "unauthorized_client")
    own.key = "wrong"
    assert as_app(own)("introspect", token=live_phone.access_token)["status"] == 401


def test_both_validate_access_tokens_by_our_keys_and_take_nothing_else(as_app, live_phone, live_backend):
    order, claims = as_app(live_backend), claims_of(live_phone.access_token)
    for act in ("validate", "verify"):
        assert order(act, token=live_phone.access_token, audience=claims["aud"])["result"] == claims
        assert "error" in order(act, token=live_phone.access_token, audience="other")
        assert "error" in order(act, token=live_phone.refresh_token, audience=claims["aud"])
    signed = live_backend.call(
        "POST", "/oauth/introspect", {"token": live_phone.access_token}, Accept="application/token-introspection+jwt"
    ).text
    for act in ("validate", "verify"):
        assert "error" in order(act, token=signed, audience=live_backend.app.pk)
    live_phone.log_out()
    # Nothing was asked, so the logout is not seen before `exp`.
    assert order("verify", token=live_phone.access_token, audience=claims["aud"])["result"] == claims
