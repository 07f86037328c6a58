"""What other services read before anything else: our keys (RFC 7517) and our routes (RFC 8414)."""

import json
import os
import subprocess
import sys

import jwt
import pytest
from django.core.checks import run_checks

from sessions.tokens.keys import keys_in, new_private_key_pem, public_part, thumbprint
from tests.environment import ROOT
from tests.phones import InProcess, ZapPhone

KEYS = "/.well-known/jwks.json"
DECLARED = "/.well-known/zapauth"
SERVER = "/.well-known/oauth-authorization-server"
# The members of private and of symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4).
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def get(path):
    return InProcess()("GET", path)


def test_every_key_that_verifies_is_published_and_no_private_part(settings):
    signing, retired = new_private_key_pem(), new_private_key_pem()
    settings.SIGNING_KEYS = signing + retired
    reply = get(KEYS)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    keys = reply.json["keys"]
    assert [key["kid"] for key in keys] == [thumbprint(public_part(key)) for key in keys_in(signing + retired)]
    for key in keys:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert not PRIVATE & key.keys()
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    for key in keys_in(signing + retired):
        d = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)["d"]
        assert d not in reply.text


def test_caches_and_browsers_may_have_the_keys(db):
    reply = get(KEYS)
    assert reply.headers["cache-control"] == "public, max-age=300"
    assert reply.headers["access-control-allow-origin"] == "*"


def test_a_token_verifies_by_the_published_key_that_it_names(db):
    token = ZapPhone(InProcess()).sign_up().access_token
    keys = {key["kid"]: key for key in get(KEYS).json["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    assert jwt.decode(token, key, ["ES256"], options={"verify_aud": False})["token_type"] == "access"


def test_the_metadata_names_the_issuer_and_the_routes(settings):
    settings.TOKEN_ISSUER = settings.PUBLIC_URL = "https://auth.example.org"
    reply = get(SERVER)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["access-control-allow-origin"] == "*"
    both = ["client_secret_basic", "client_secret_post"]
    assert reply.json == {
        "issuer": "https://auth.example.org",
        "jwks_uri": "https://auth.example.org/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [],
        "introspection_endpoint": "https://auth.example.org/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": both,
        "introspection_signing_alg_values_supported": ["ES256"],
        "revocation_endpoint": "https://auth.example.org/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": both,
    }


def test_the_service_declares_its_bounds_and_where_everything_is(settings):
    settings.TOKEN_ISSUER = settings.PUBLIC_URL = "https://auth.example.org"
    reply = get(DECLARED)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json == {
        "issuer": "https://auth.example.org",
        "dialects": [
            {"name": "zap", "url": "https://auth.example.org/v1/"},
            {"name": "buddy", "url": "https://auth.example.org/"},
        ],
        "revocation_bound": 0,
        "gate_without_database": "refuse",
        "event_delivery_aim": 0.1,
        "events_url": "https://auth.example.org/events",
        "gate_url": "https://auth.example.org/verify",
        "jwks_uri": "https://auth.example.org/.well-known/jwks.json",
        "metadata_url": "https://auth.example.org/.well-known/oauth-authorization-server",
        "documentation_url": "https://auth.example.org/docs",
        "schema_url": "https://auth.example.org/schema",
    }
    settings.GATE_WITHOUT_DATABASE = "accept"
    assert get(DECLARED).json["gate_without_database"] == "accept"


@pytest.mark.parametrize(("issuer", "root"), [("https://example.org/the/auth", "https://example.org"), ("zapauth", "")])
def test_without_a_public_url_the_links_are_on_the_issuers_host_or_are_paths(settings, issuer, root):
    settings.PUBLIC_URL, settings.TOKEN_ISSUER = "", issuer
    assert get(f"{DECLARED}/").json["jwks_uri"] == f"{root}/.well-known/jwks.json"


def test_each_link_that_the_service_declares_leads_somewhere(db, settings):
    settings.PUBLIC_URL, settings.TOKEN_ISSUER = "", "zapauth"
    links = {name: link for name, link in get(DECLARED).json.items() if name.endswith(("_url", "_uri"))}
    statuses = {name: get(link).status for name, link in links.items()}
    # The first two need credentials. Without an issuer that is a URL there are no metadata.
    refused = {"gate_url": 401, "events_url": 401, "metadata_url": 404}
    assert statuses == dict.fromkeys(links, 200) | refused


def test_an_issuer_with_a_path_has_its_metadata_at_that_path_only(settings):
    settings.PUBLIC_URL, settings.TOKEN_ISSUER = "", "https://example.org/the%20auth/"
    assert get(f"{SERVER}/the%20auth").json["issuer"] == "https://example.org/the%20auth/"
    assert get(f"{SERVER}/the%20auth").json["jwks_uri"] == "https://example.org/.well-known/jwks.json"
    for path in (SERVER, f"{SERVER}/other", f"{SERVER}/the%20auth/more"):
        assert (get(path).status, get(path).json["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "issuer",
    [
        "zapauth",
        "https://a.example/?x=1",
        "https://a.example/#x",
        "urn:auth",
        "//a.example",
        "https://[",
        "https://a:b@c.example",
        "",
    ],
)
def test_without_an_issuer_that_is_a_url_there_is_no_metadata(settings, issuer):
    settings.TOKEN_ISSUER = issuer
    assert get(SERVER).status == 404


def test_an_issuer_that_is_no_url_is_a_warning_for_a_deployment(settings):
    for issuer, warned in (("zapauth", True), ("https://auth.example.org", False)):
        settings.TOKEN_ISSUER = issuer
        found = [each.id for each in run_checks(tags=["security"], include_deployment_checks=True)]
        assert ("user_sessions.W006" in found) is warned


def test_the_default_issuer_is_the_public_url_and_what_was_set_before_stays(tmp_path):
    code = "from zapauth import settings; print(settings.TOKEN_ISSUER, *settings.EARLIER_TOKEN_ISSUERS)"
    secrets = {"SECRET_KEY": "x" * 40, "SIGNING_KEYS": new_private_key_pem(), "DATA_DIR": str(tmp_path)}
    remote, public = {"DATABASE_URL": "postgres://a@localhost/a"}, {"PUBLIC_URL": "https://auth.example.org/"}
    for given, told in (
        ({"PORT": "8123"}, "http://localhost:8123 zapauth"),
        (remote | public, "https://auth.example.org zapauth"),
        (remote, "zapauth zapauth"),
        (remote | public | {"TOKEN_ISSUER": "ours"}, "ours zapauth"),
        (remote | public | {"EARLIER_TOKEN_ISSUERS": "ours,zapauth"}, "https://auth.example.org ours zapauth"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": os.environ["PATH"]} | secrets | given,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == told


def test_the_host_of_a_request_is_not_in_the_metadata(settings):
    settings.ALLOWED_HOSTS, settings.TOKEN_ISSUER = ["*"], "https://auth.example.org"
    assert "evil" not in InProcess()("GET", SERVER, headers={"Host": "evil.example"}).text


def test_other_methods_are_refused(db):
    for path in (KEYS, SERVER):
        reply = InProcess()("POST", path, content=json.dumps({}))
        assert (reply.status, reply.headers["allow"], reply.json["error"]) == (405, "GET, HEAD", "method_not_allowed")
