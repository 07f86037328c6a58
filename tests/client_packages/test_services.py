"""Services beside ZapAuth, as programs of their own: after the answer to a logout they refuse the next request."""

import jwt
import pytest

from tests.client_packages.fake_gates import fake_gate, passed
from tests.client_packages.services import example, other_project
from tests.phones import new_name
from tests.servers import free_port

ROUNDS = 5
CHALLENGE = 'Bearer realm="zapauth"'


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def project(server, live_phone):
    claims = claims_of(live_phone.access_token)
    keys = {"JWKS": f"{server.base_url}/.well-known/jwks.json", "ISSUER": claims["iss"], "APP": claims["aud"]}
    with other_project(GATE=f"{server.base_url}/verify", **keys) as service:
        yield service


def is_refused_after_each_logout(service, phone, path):
    for _ in range(ROUNDS):
        assert phone.log_in(phone.username).status == 200
        token = phone.access_token
        reply = service.get(path, token)
        assert (reply.status, phone.user_id in reply.text) == (200, True), reply
        assert phone.log_out().status == 200
        reply = service.get(path, token)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].endswith('error_description="The session of this token has ended."')


def test_a_django_project_refuses_a_logged_out_token_with_the_next_request(project, live_phone):
    is_refused_after_each_logout(project, live_phone, "/plain")
    is_refused_after_each_logout(project, live_phone, "/drf")
    live_phone.log_in(live_phone.username)
    told = project.get("/plain", live_phone.access_token).json
    session = claims_of(live_phone.access_token)["sid"]
    assert told == project.get("/drf", live_phone.access_token).json == {"user": live_phone.user_id, "session": session}
    for path in ("/plain", "/drf"):
        assert project.get(path, live_phone.access_token, method="POST").status == 200
        assert (project.get(path).status, project.get(path).headers["www-authenticate"]) == (401, CHALLENGE)
    assert project.get("/open", live_phone.access_token).json == {"verdict": None}
    assert project.get("/drf/").status == project.get("/openly").status == 401


def test_by_the_keys_a_logged_out_token_is_accepted_until_it_expires(project, live_phone):
    token = live_phone.access_token
    assert project.get("/keys", token).json["user"] == live_phone.user_id
    assert live_phone.log_out().status == 200
    assert project.get("/keys", token).status == 200
    assert project.get("/drf", token).status == 401
    for bad in (live_phone.refresh_token, token[:-8] + "AAAAAAAA", "x"):
        reply = project.get("/keys", bad)
        assert (reply.status, reply.headers["www-authenticate"][:7]) == (401, "Bearer ")
    assert project.get("/keys").status == 401


def test_without_a_gate_a_django_project_answers_503_to_everybody():
    nowhere = f"http://127.0.0.1:{free_port()}"
    keys = {"JWKS": f"{nowhere}/jwks", "ISSUER": "zapauth", "APP": "x"}
    token = jwt.encode(dict.fromkeys(("aud", "sub"), "x"), "k" * 32, "HS256", {"typ": "at+jwt"})
    with other_project(GATE=f"{nowhere}/verify", **keys) as service:
        for path in ("/plain", "/drf"):
            reply = service.get(path, token)
            assert (reply.status, reply.headers["retry-after"]) == (503, "2")
            assert "127.0.0.1" not in reply.text
        assert service.get("/keys", token).status == 401
        assert service.get("/open").status == 200


@pytest.mark.parametrize("name", ["express.js", "fetch.js"])
def test_an_example_for_node_refuses_a_logged_out_token_with_the_next_request(server, live_phone, name):
    with example(name, f"{server.base_url}/verify") as service:
        is_refused_after_each_logout(service, live_phone, "/orders")
        reply = service.get("/orders")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, CHALLENGE)
        assert reply.json["error"] == "invalid_token"
        service.get("//", method="TRACE")
        assert service.get("/orders", new_name()).status == 401


@pytest.mark.parametrize("name", ["express.js", "fetch.js"])
def test_without_a_gate_an_example_for_node_answers_503_to_everybody(name):
    with fake_gate(passed("admin")) as gate, example(name, gate.url) as service:
        reply = service.get("/orders", "x")
        assert (reply.status, reply.headers["retry-after"], reply.json["error"]) == (
            503,
            "2",
            "temporarily_unavailable",
        )
