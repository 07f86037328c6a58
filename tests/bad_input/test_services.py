"""Bad input on the routes for services: the refusal is documented, and nothing changes."""

from base64 import b64encode
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.bad_input.bugs import failing
from tests.bad_input.database import Untouched, undone
from tests.bad_input.oddities import FOREIGN_HOSTS, FOREIGN_TYPES, LIMIT, MANY_FIELDS, ODD_HEADERS
from tests.bad_input.services import FORM, FORMS, GUARDED, JSON, ROUTES, WITH_BODY, each, service_error

INVALID = (400, "invalid_request")
SOME_UUID = "0190163d-8694-739b-aea5-966c26f8ad91"


@pytest.fixture
def phone(db):
    from tests.phones import InProcess, ZapPhone

    return ZapPhone(InProcess(), device_token="mine").sign_up()


@pytest.fixture
def backend(db, settings):
    from tests.services.backends import new_backend
    from users.models import Access

    settings.TOKEN_ISSUER = "https://auth.example.org"
    return new_backend(token_access=Access.ALL, push_access=Access.ALL, event_access=Access.ALL)


@pytest.fixture
def body(route, phone):
    """The good body of the route; None if it takes none."""
    return route.body(phone) if route.body else None


@pytest.fixture
def good(route, backend, body):
    """Send the good call of the route, with some headers or with another body."""
    whole = None if body is None else route.content(body)
    return lambda content=None, **headers: route.send(backend, whole if content is None else content, **headers)


@pytest.fixture
def untouched(phone, backend):
    """Call it after bad input: it checks that no row has changed. At the end the good token must still be good."""
    yield Untouched()
    assert phone.me().status == 200, phone.last


@each(ROUTES)
def test_the_calls_that_these_tests_break_are_good(good, route, backend, body, subtests):
    with undone():
        assert good().status < 300
    slash = type(route)(route.name, route.method, f"{route.path}/", kind=route.kind)
    assert slash.send(backend, None if body is None else route.content(body)).status < 300


@each(GUARDED)
def test_wrong_credentials_are_refused(good, route, backend, untouched, subtests):
    app_id, key = backend.app.pk, backend.key

    def basic(text):
        return f"Basic {b64encode(text.encode()).decode()}"

    for header in (
        *(None, "", "Basic", "Basic ", "Basic !", "Basic YQ", f"Bearer {key}", f"basic{key}", "Basic " + "A" * 100_000),
        *(basic(""), basic(":"), basic(f"{app_id}:"), basic(f":{key}"), basic(app_id), basic(f"{app_id}:{key}x")),
        *(
            basic(f"{app_id}:\0"),
            basic(f"{app_id}\0:{key}"),
            basic(f"{app_id.upper()}X:{key}"),
            basic(f" {app_id}:{key}"),
        ),
        *(basic(f"{'0' * 24}:{key}"), basic(f"{app_id}:{'x' * 5000}"), basic(f"{app_id}:{key}:"), "é", "Basic é"),
        *(f"{backend.basic()}, {backend.basic()}", "Basic " + b64encode(b"\xff\xfe:x").decode(), "Basic realm=x"),
    ):
        with subtests.test(header=header and header[:40]):
            assert service_error(good(Authorization=header)) == (401, "invalid_client")
    untouched()


@each(GUARDED)
def test_an_app_without_access_is_refused_and_an_app_that_is_off_is_unknown(good, route, backend, untouched):
    from tests.services.backends import NO_ACCESS
    from users.clients import set_access
    from users.models import App

    before = App.objects.values().get(pk=backend.app.pk)
    set_access(backend.app, NO_ACCESS)
    assert service_error(good()) == (403, "unauthorized_client")
    App.objects.filter(pk=backend.app.pk).update(is_active=False)
    assert service_error(good()) == (401, "invalid_client")
    App.objects.filter(pk=backend.app.pk).update(**before)
    untouched()


@each(FORMS)
def test_credentials_in_two_places_or_half_of_them_are_refused(good, route, backend, body, untouched, subtests):
    app_id, key = backend.app.pk, backend.key
    for more, header, refusal in (
        ({"client_id": app_id, "client_secret": key}, backend.basic(), INVALID),
        ({"client_secret": "x"}, backend.basic(), INVALID),
        ({"client_id": app_id}, None, (401, "invalid_client")),
        ({"client_secret": key}, None, (401, "invalid_client")),
        ({"client_id": app_id, "client_secret": ""}, None, (401, "invalid_client")),
        ({"client_id": "\0", "client_secret": "\0"}, None, (401, "invalid_client")),
        ({"client_id": app_id, "client_secret": "x" * 100_000}, None, (401, "invalid_client")),
    ):
        with subtests.test(more=list(more), header=header is None):
            assert service_error(good(urlencode(body | more), Authorization=header)) == refusal
    untouched()


@each(FORMS)
def test_credentials_in_the_url_count_as_none(route, backend, body, untouched):
    query = urlencode({"client_id": backend.app.pk, "client_secret": backend.key} | body)
    asked = type(route)(route.name, route.method, f"{route.path}?{query}", kind=route.kind)
    assert service_error(asked.send(backend, urlencode(body), Authorization=None)) == (401, "invalid_client")
    assert service_error(asked.send(backend, "")) == INVALID  # the token, too, is read from the body only
    untouched()


@each(FORMS)
def test_a_parameter_that_comes_twice_is_refused(good, backend, body, untouched, subtests):
    whole = urlencode(body)
    for name in (*body, "client_id", "unknown"):
        for again in (f"{name}=1&{name}=1", f"{name}=1&{name}=", f"{name}&{name}"):
            with subtests.test(again=again):
                assert service_error(good(f"{whole}&{again}")) == INVALID
    untouched()


@each(WITH_BODY)
def test_a_missing_or_empty_parameter_is_refused(good, route, body, untouched, subtests):
    for name in route.required:
        for changed in ({key: value for key, value in body.items() if key != name}, body | {name: ""}):
            with subtests.test(name=name, changed=changed.get(name)):
                assert service_error(good(route.content(changed))) == INVALID
    for nothing in ("", " ", "&&", "="):
        assert service_error(good(nothing)) == INVALID
    untouched()


@each(FORMS)
def test_a_body_of_another_content_type_is_refused(good, untouched, subtests):
    kinds = FOREIGN_TYPES | dict.fromkeys(["application/json", None, "application/x-www-form-urlencodedx"])
    for kind, content in kinds.items():
        with subtests.test(kind=kind and kind[:40]):
            assert service_error(good(content, **{"Content-Type": kind})) == INVALID
    untouched()


@each(FORMS)
def test_a_form_that_can_not_be_read_or_is_too_large_is_refused(good, body, untouched, subtests):
    whole = urlencode(body).encode()
    for content in (
        *(MANY_FIELDS, whole + b"&" + MANY_FIELDS, b"token=%FF%FE&token=1", b"token=%00", b"token=a%00b", b"\0"),
        *(whole + b"&x=" + b"x" * LIMIT, b"token=" + b"x" * LIMIT, b"token=" + b"." * 1_000_000),
    ):
        with subtests.test(content=content[:40], length=len(content)):
            assert service_error(good(content)) == INVALID
    untouched()


@each(FORMS)
def test_what_else_a_form_and_its_content_type_say_is_ignored(good, body, subtests):
    for kind in (f"{FORM}; charset=hex", f"{FORM};charset=latin-1", FORM.upper(), f"{FORM}; charset=é", f" {FORM} "):
        with subtests.test(kind=kind), undone():
            assert good(**{"Content-Type": kind}).status == 200
    for more in ({"token_type_hint": "x" * 100_000}, {"scope": "all", "": "x"}, {"token_type_hint": "é\U0001f600"}):
        with subtests.test(more=list(more)), undone():
            assert good(urlencode(body | more)).status == 200


@each(ROUTES)
def test_another_method_is_refused_even_without_credentials(route, backend, untouched, subtests):
    from tests.bad_input.calls import METHODS

    right = {route.method, "HEAD"} if route.method == "GET" else {route.method}
    for method in sorted(set(METHODS) - right):
        for header in (backend.basic(), None):
            with subtests.test(method=method, header=header is None):
                reply = backend.call(method, route.path, Authorization=header)
                assert reply.status == 405 if method == "HEAD" else service_error(reply) == (405, "method_not_allowed")
                assert set(reply.headers["allow"].split(", ")) == right
    untouched()


@pytest.mark.parametrize(
    "path",
    [
        *("/oauth", "/oauth/", "/oauth/token", "/oauth/introspect/x", "/oauth/Introspect", "/oauth//introspect"),
        *("/.well-known", "/.well-known/openid-configuration", "/.well-known/jwks.json/x", "/oauth;x/introspect"),
        *(f"/oauth/{quote(text)}" for text in ("é", "\0", "../users", "%", "introspect\n")),
    ],
)
def test_there_is_nothing_at_another_path(backend, path, untouched):
    for method in ("GET", "POST"):
        assert service_error(backend.call(method, path, "" if method == "POST" else None)) == (404, "not_found")
    untouched()


@pytest.mark.parametrize("path", ["x", "%00", "%FF", "/", "x" * 5000, "..", "é"])
def test_there_is_no_metadata_of_an_issuer_that_is_not_ours(backend, path):
    reply = backend.call("GET", f"/.well-known/oauth-authorization-server/{quote(path, safe='%/')}")
    # A slash at the end is the same path.
    assert reply.status == 200 if path == "/" else service_error(reply) == (404, "not_found")


@each(route for route in ROUTES if route.name == "introspect")
def test_an_odd_header_does_no_harm_and_a_foreign_host_is_refused(good, subtests):
    for name, value in [*ODD_HEADERS, ("Accept", "*/*;q*=nonsense''x"), ("Accept", "a/b," * 1000), ("Accept", "é")]:
        with subtests.test(name=name, value=value[:20]), undone():
            assert good(**{name: value}).status == 200
    for host in FOREIGN_HOSTS:
        with subtests.test(host=host[:20]):
            assert service_error(good(Host=host)) == INVALID


@each(ROUTES)
def test_a_bug_is_a_500_that_is_logged_and_shows_nothing(good, route, caplog, untouched, subtests):
    for place in (route.within, "django.middleware.common.CommonMiddleware.process_request"):
        caplog.clear()
        with subtests.test(place=place):
            with failing(place, caplog) as logged:
                reply = good(X_Request_ID=SOME_UUID)
            assert service_error(reply) == (500, "server_error")
            assert "secret" not in reply.text
            assert logged == [("ERROR", SOME_UUID, "the inner secret")]
    untouched()


BOUNDED = hypothesis_settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(["token", "token_type_hint", "client_id", "client_secret"]) | st.text(max_size=5)
VALUES = st.text(max_size=20) | st.sampled_from(["refresh_token", "a.b.c", "x" * 3000])


@BOUNDED
@given(pairs=st.lists(st.tuples(NAMES, VALUES), max_size=5), route=st.sampled_from(FORMS))
def test_whatever_form_comes_is_answered_as_documented(backend, phone, pairs, route):
    with undone():
        reply = route.send(backend, urlencode(pairs))
        if reply.status != 200:
            assert service_error(reply)[0] in (400, 401)


def test_json_is_the_type_of_all_answers(backend):
    assert backend.call("GET", "/.well-known/jwks.json").headers["content-type"] == JSON
