"""The gateways that the suite can't run: what each would ask by its file in deploy/, asked of a real server.

The rules of each gateway are written down here from its documentation. Its program itself is not tested.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from tests.gateways.programs import DEPLOY
from tests.phones import BuddyPhone, Live, Reply, ZapPhone

NAMES = ["X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User"]
PATH, QUERY = "/files/a%2Fb", "?level=app&app=000000000000000000000000&x=1"


class Asks(NamedTuple):
    """What a gateway asks for a client's request, and what it does with the answer."""

    method: str
    path: str
    headers: dict[str, str]
    passes: Callable[[int], bool]
    to_service: Callable[[Reply], dict[str, str]]
    to_client: set[str] | None  # of a refusal; None: all of it


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def copied(reply: Reply, names: list[str]) -> dict[str, str]:
    return {name.lower(): reply.headers[name.lower()] for name in names}


def forwarded(method: str) -> dict[str, str]:
    return {
        "X-Forwarded-Method": method,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Uri": PATH + QUERY,
        "X-Forwarded-For": "203.0.113.1",
    }


def question(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def chosen(client: dict[str, str], names: list[str]) -> dict[str, str]:
    return {name: client[name] for name in names if name in client}


def traefik(method: str, client: dict[str, str]) -> Asks:
    """doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth."""
    options = read("traefik.yml")["http"]["middlewares"]["zapauth"]["forwardAuth"]
    assert options.keys() == {"address", "trustForwardHeader", "authRequestHeaders", "authResponseHeaders"}
    headers = chosen(client, options["authRequestHeaders"]) | forwarded(method)
    names = options["authResponseHeaders"]
    return Asks(
        *("GET", question(options["address"]), headers),
        lambda status: 200 <= status < 300,
        lambda reply: copied(reply, names),
        None,
    )


def envoy(method: str, client: dict[str, str]) -> Asks:
    """envoyproxy.io, ext_authz.proto, HttpService: the client's method, and path_prefix before its path and query."""
    options = ext_authz()
    assert options["failure_mode_allow"] is False
    service = options["http_service"]
    answer = service["authorization_response"]
    names = [pattern["exact"] for pattern in answer["allowed_upstream_headers"]["patterns"]]
    headers = {"Host": "evil.example", "Content-Length": "0"} | chosen(client, ["Authorization"])
    return Asks(
        *(method, service["path_prefix"] + PATH + QUERY, headers),
        lambda status: status == 200,
        lambda reply: copied(reply, names),
        {pattern["exact"] for pattern in answer["allowed_client_headers"]["patterns"]},
    )


def ext_authz() -> Any:
    (listener,) = read("envoy.yaml")["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    cleaner, authz, router = manager["http_filters"]
    removed = [mutation["remove"] for mutation in cleaner["typed_config"]["mutations"]["request_mutations"]]
    assert removed == [name.lower() for name in NAMES]
    assert manager["common_http_protocol_options"] == {"headers_with_underscores_action": "DROP_HEADER"}
    assert router["name"] == "envoy.filters.http.router"
    return authz["typed_config"]


def kubernetes(method: str, client: dict[str, str]) -> Asks:
    """gateway.networking.k8s.io/v1, HTTPExternalAuthFilter (GEP-1494)."""
    (rule,) = read("kubernetes.yaml")["spec"]["rules"]
    (filter_,) = rule["filters"]
    assert filter_["type"] == "ExternalAuth"
    options = filter_["externalAuth"]
    assert options.keys() == {"protocol", "backendRef", "http"}
    assert options["protocol"] == "HTTP"
    headers = {"Host": "evil.example", "Content-Length": "0"} | chosen(client, ["Authorization"])
    return Asks(
        *(method, options["http"]["path"] + PATH + QUERY, headers),
        lambda status: status == 200,
        lambda reply: copied(reply, options["http"]["allowedResponseHeaders"]),
        None,
    )


def apisix(method: str, client: dict[str, str]) -> Asks:
    """apisix.apache.org/docs/apisix/plugins/forward-auth."""
    (route,) = read("apisix.yaml")["routes"]
    options = route["plugins"]["forward-auth"]
    assert (options["request_method"], options["allow_degradation"], options["status_on_error"]) == ("GET", False, 503)
    headers = chosen(client, options["request_headers"]) | forwarded(method)
    return Asks(
        *("GET", question(options["uri"]), headers),
        lambda status: 200 <= status < 300,
        lambda reply: copied(reply, options["upstream_headers"]),
        {name.lower() for name in options["client_headers"]},
    )


def oathkeeper(method: str, client: dict[str, str]) -> Asks:
    """ory.sh/docs/oathkeeper/pipeline/authn, bearer_token: 200 with `subject` and `extra`; anything else refuses."""
    settings = read("oathkeeper.yml")
    options = settings["authenticators"]["bearer_token"]["config"]
    assert options["preserve_path"] is options["preserve_query"] is True
    (rule,) = read("oathkeeper.rules.yml")
    assert [step["handler"] for step in (*rule["authenticators"], *rule["mutators"])] == ["bearer_token", "header"]

    def to_service(reply: Reply) -> dict[str, str]:
        subject, extra = reply.json[options["subject_from"]], reply.json[options["extra_from"]]
        values = {"{{ print .Subject }}": subject}
        values |= {f"{{{{ print .Extra.{name} }}}}": "" if value is None else value for name, value in extra.items()}
        templates = settings["mutators"]["header"]["config"]["headers"]
        return {name.lower(): values[template] for name, template in templates.items()}

    headers = chosen(client, options["forward_http_headers"])
    return Asks(
        *(options["force_method"], question(options["check_session_url"]), headers),
        lambda status: status == 200,
        to_service,
        set(),
    )


GATEWAYS = [traefik, envoy, kubernetes, apisix, oathkeeper]
each = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)


def ask(server: Any, asks: Asks) -> Reply:
    return Live(server.base_url)(asks.method, asks.path, headers=asks.headers)


@each
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_what_a_gateway_asks_passes_a_live_token_and_refuses_it_right_after_the_logout(gateway, method, server):
    phone = ZapPhone(Live(server.base_url)).sign_up()
    client = {"Authorization": f"Bearer {phone.access_token}", "X-User-Id": "forged", "Cookie": "a=b"}
    asks = gateway(method, client)
    passed = ask(server, asks)
    assert asks.passes(passed.status), passed
    given = asks.to_service(passed)
    assert given.keys() == {name.lower() for name in NAMES}
    assert given["x-user-id"] == given["remote-user"] == phone.user_id
    assert given["x-role-id"] == ""
    assert phone.log_out().status == 200
    refused = ask(server, asks)
    assert refused.status == 401
    assert not asks.passes(refused.status)
    if asks.to_client != set():
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        assert asks.to_client is None or "www-authenticate" in asks.to_client


@each
def test_no_token_and_an_apps_token_pass_no_gateway(gateway, server):
    assert ask(server, gateway("GET", {})).status == 401
    buddy = BuddyPhone(Live(server.base_url))
    buddy.register_device()
    asks = gateway("GET", {"Authorization": f"Bearer {buddy.app_token}"})
    assert ask(server, asks).status == 403  # for the level that is asked for. The client's own query says another


def test_traefik_removes_the_clients_headers_in_each_spelling():
    middlewares = read("traefik.yml")["http"]
    (router,) = middlewares["routers"].values()
    assert router["middlewares"] == ["zapauth-clean", "zapauth"]
    removed = middlewares["middlewares"]["zapauth-clean"]["headers"]["customRequestHeaders"]
    assert set(removed.values()) == {""}
    spellings = {"Connection"}
    for name in NAMES:
        first, *parts = name.split("-")
        for separators in product("-_", repeat=len(parts)):
            spellings.add(first + "".join(map("".join, zip(separators, parts, strict=True))))
    assert removed.keys() == spellings
