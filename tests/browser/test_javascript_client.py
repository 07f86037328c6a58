"""The published JavaScript client, unmodified, in a real browser on a page of another origin."""

import hashlib
import hmac
from datetime import datetime, timedelta

import pytest

from sessions.models import Session
from tests.browser.chromium import CHROMIUM, visit
from tests.browser.conftest import HERE
from tests.phones import PASSWORD, Live, new_name
from users.clients import create_app
from users.models import Device, User

PACKAGES = [HERE / "node_modules" / name for name in ("buddy-sdk", "jquery")]
ACCESS_TOKEN_INVALID = 260
USER_TOKEN_REQUIRED = 263
SIGNATURE_INVALID = 258
NO_INTERNET = -1  # the client's own number for an answer that the browser hides from it

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
    pytest.mark.skipif(
        not all(package.is_dir() for package in PACKAGES),
        reason="the npm packages are missing: run `npm ci --ignore-scripts` in tests/browser",
    ),
]


unsigned_and_signed = pytest.mark.parametrize("app", [False, True], ids=["unsigned", "signed"], indirect=True)
signed = pytest.mark.parametrize("app", [True], ids=["signed"], indirect=True)


@pytest.fixture
def app(request, transactional_db):
    """An app that does not sign requests, unless the test asks for one that does."""
    return create_app(f"App of {new_name()}", signed=getattr(request, "param", False))


@pytest.fixture
def user():
    return {"username": new_name(), "password": PASSWORD}


@pytest.fixture
def life(api, app, user, site_port):
    """Sign up, log out, log in and log out again."""
    page = f"http://127.0.0.1:{site_port}/app.html"
    return visit(page, "signUpLogOutAndComeBack", user, app=app, api=api)


def granted_tokens(wire):
    """The access tokens that the page received, in order."""
    results = [exchange.json["result"] for exchange in wire if exchange.status < 400]
    return [result["accessToken"] for result in results if "accessToken" in result]


def call_with(token, *, api, app, signed=True):
    """Call `GET /users/me` without the browser."""
    authorization = f"Buddy {token}"
    if app.shared_secret and signed:
        text = f"GET\n{app.app.pk}\n/users/me"
        authorization += " " + hmac.new(app.shared_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return Live(api)("GET", "/users/me", headers={"Authorization": authorization})


def to_milliseconds(moment):
    return moment - timedelta(microseconds=moment.microsecond % 1000)


@unsigned_and_signed
def test_the_client_logs_out_and_comes_back_after_one_refusal(life, site_port):
    assert [(exchange.method, exchange.path, exchange.status) for exchange in life.wire] == [
        ("POST", "/devices", 201),
        ("POST", "/users", 200),
        ("POST", "/users/me/logout", 200),
        ("POST", "/users/login", 401),
        ("POST", "/devices", 201),
        ("POST", "/users/login", 200),
        ("GET", "/users/me", 200),
        ("POST", "/users/me/logout", 200),
    ]
    page_origin = f"http://127.0.0.1:{site_port}"
    assert {exchange.headers["access-control-allow-origin"] for exchange in life.wire} == {page_origin}
    # The refused log-in carried the token that the logout before it had ended.
    dead_token = granted_tokens(life.wire)[1]
    assert life.wire[3].authorization.split()[:2] == ["Buddy", dead_token]
    assert [login["errorNumber"] for login in life.result["logins"]] == [ACCESS_TOKEN_INVALID, None]


def test_the_client_knows_who_logged_in_and_until_when(life, user):
    signed_up, me = life.result["signedUp"]["result"], life.result["me"]["result"]
    logged_in = life.result["logins"][-1]["result"]
    stored = User.objects.get()
    for seen in (signed_up, logged_in, me):
        assert (seen["id"], seen["userName"]) == (stored.pk, user["username"])
        assert seen["created"] == to_milliseconds(stored.created_at)
    first, second = Session.objects.filter(user=stored).order_by("created_at")
    for seen, session in ((signed_up, first), (logged_in, second)):
        # The client converted it to a Date, otherwise it would be a string here. An `exp` has whole seconds.
        assert isinstance(seen["accessTokenExpires"], datetime)
        assert seen["accessTokenExpires"] == session.expires_at.replace(microsecond=0)


@unsigned_and_signed
def test_the_clients_logouts_end_the_users_sessions_and_no_other(life, user):
    sessions = list(Session.objects.order_by("created_at"))
    user_id = User.objects.get(username=user["username"]).pk
    # Two times three sessions: of the registration, of the log-in, and of the logout's token, which the client ignores.
    assert [session.user_id for session in sessions] == [None, user_id, None] * 2
    logouts = [exchange for exchange in life.wire if exchange.path == "/users/me/logout"]
    for ended, logout in zip((sessions[1], sessions[4]), logouts, strict=True):
        assert (ended.end_reason, ended.ended_by_id, ended.ended_ip) == ("logout", user_id, "127.0.0.1")
        assert ended.ended_request_id == logout.headers["x-request-id"]
    assert [session.ended_at is None for session in sessions] == [True, False, True] * 2


@unsigned_and_signed
def test_a_token_of_the_client_is_dead_after_its_logout_and_app_level_ones_live_on(life, api, app):
    answers = [call_with(token, api=api, app=app) for token in granted_tokens(life.wire)]
    live, dead = (403, USER_TOKEN_REQUIRED), (401, ACCESS_TOKEN_INVALID)
    assert [(answer.status, answer.json.get("errorNumber")) for answer in answers] == [live, dead, live] * 2


def test_the_client_that_forgot_everything_is_a_new_device(life, app):
    first, second = Device.objects.order_by("created_at")
    assert first.unique_id != second.unique_id
    for device in (first, second):
        assert device.app == app.app
        assert device.unique_id.startswith(f"{app.app.pk}:")
        assert device.platform == "Javascript"
        assert "Chrome" in device.model
    devices = [session.device for session in Session.objects.order_by("created_at")]
    assert devices == [first] * 3 + [second] * 3


@signed
def test_a_token_of_a_signed_app_is_refused_without_the_clients_signature(life, api, app):
    calls = [exchange for exchange in life.wire if exchange.authorization]
    assert all(len(exchange.authorization.split()) == 3 for exchange in calls)
    token = granted_tokens(life.wire)[0]
    assert call_with(token, api=api, app=app).json["errorNumber"] == USER_TOKEN_REQUIRED
    assert call_with(token, api=api, app=app, signed=False).json["errorNumber"] == SIGNATURE_INVALID


def test_a_page_of_an_origin_that_is_not_allowed_cannot_call_the_api(api, app, user, site_port):
    # The same page under another name of the same address is another origin (RFC 6454 §4).
    attempt = visit(f"http://localhost:{site_port}/app.html", "signUp", user, app=app, api=api)
    assert attempt.result == {"errorNumber": NO_INTERNET, "result": None}
    assert any("blocked by CORS policy" in text for text in attempt.console)
    # The preflight failed, so the browser did not send the call.
    assert attempt.wire == []
    assert not Device.objects.exists()
    assert not User.objects.exists()
