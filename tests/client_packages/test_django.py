"""The middleware and the REST framework class, in this process: users, settings, both kinds of server."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from tests.client_packages.fake_gates import APP, USER, answer, fake_gate, passed
from zapauth_client import configured
from zapauth_client.django import ZapAuthMiddleware
from zapauth_client.drf import ZapAuthAuthentication

FORBIDDEN = answer({}, "403 Forbidden", 'WWW-Authenticate: Bearer realm="zapauth", error="insufficient_scope"')


def request_to(path="/", authorization="Bearer x"):
    headers = {"Authorization": authorization} if authorization else {}
    return RequestFactory().get(path, headers=headers)


def view(request):
    return HttpResponse(f"{request.user.pk} {request.zapauth and request.zapauth.app_id}")


async def async_view(request):
    assert await request.auser() is request.user
    return view(request)


def in_sync(request):
    return ZapAuthMiddleware(view)(request)


def in_async(request):
    return asyncio.run(ZapAuthMiddleware(async_view)(request))


@pytest.fixture(params=[in_sync, in_async], ids=["sync", "async"])
def call(request):
    return request.param


def only_known(verdict):
    """A project's function: it knows one user."""
    return configured.ZapAuthUser("known") if verdict.user_id == USER else None


PATH = f"{__name__}.only_known"


def test_a_request_with_a_live_token_has_a_user_and_a_verdict(call, settings):
    with fake_gate(passed()) as gate:
        settings.ZAPAUTH = {"GATE": gate.url}
        reply = call(request_to())
        assert (reply.status_code, reply.content.decode()) == (200, f"{USER} {APP}")


def test_a_project_makes_its_own_user_and_refuses_whom_it_does_not_know(call, settings):
    for subject, status in ((USER, 200), ("f" * 24, 403)):
        with fake_gate(passed(subject)) as gate:
            settings.ZAPAUTH = {"GATE": gate.url, "USER": PATH}
            reply = call(request_to())
            assert (reply.status_code, b"known" in reply.content) == (status, status == 200)


def test_an_app_level_token_is_not_an_authenticated_user(settings):
    with fake_gate(passed(level="app")) as gate:
        settings.ZAPAUTH = {"GATE": gate.url, "LEVEL": None}
        user, verdict = ZapAuthAuthentication().authenticate(Request(request_to()))
        assert (user.is_authenticated, user.is_anonymous, user.pk, str(user)) == (False, True, None, "")
        assert verdict.app_id == APP


def test_refusals_have_their_headers(call, settings):
    with fake_gate(FORBIDDEN) as gate:
        settings.ZAPAUTH = {"GATE": gate.url}
        reply = call(request_to())
        assert (reply.status_code, "insufficient_scope" in reply["WWW-Authenticate"]) == (403, True)
        assert call(request_to(authorization=None)).status_code == 401
        with pytest.raises(APIException) as refused:
            ZapAuthAuthentication().authenticate(Request(request_to()))
        assert refused.value.status_code == 403
    reply = call(request_to())  # the gate is gone
    assert (reply.status_code, reply["Retry-After"], reply["Cache-Control"]) == (503, "2", "no-store")
    assert gate.url not in reply.content.decode()


def test_open_paths_are_open_and_no_others(call, settings):
    with fake_gate(FORBIDDEN) as gate:
        settings.ZAPAUTH = {"GATE": gate.url, "OPEN": ["/health", "/static/"]}
        for path, status in (("/health", 200), ("/static/a/b", 200), ("/health/x", 403), ("/static", 403), ("/", 403)):
            request = request_to(path)
            request.user = configured.ZapAuthUser(None)
            request.auser = sync_to_async(lambda request=request: request.user)
            reply = call(request)
            assert (path, reply.status_code) == (path, status)
            assert status == 403 or reply.content == b"None None"


def test_a_user_of_a_cookie_does_not_remain_beside_that_of_the_token(settings):
    with fake_gate(passed()) as gate:
        settings.ZAPAUTH = {"GATE": gate.url}
        request = request_to()
        request.user, request.auser = "of a cookie", None
        assert in_async(request).content.decode() == f"{USER} {APP}"


WRONG = [
    {},
    {"GATE": ""},
    {"GATE": "no URL"},
    {"GATE": "http://x/verify", "LEVLE": "user"},
    {"GATE": "http://x/verify", "LEVEL": "app"},
    {"GATE": "http://x/verify", "APP": [""]},
    {"GATE": "http://x/verify", "APP": 1},
    {"GATE": "http://x/verify", "USER": "nowhere.at_all"},
    {"GATE": "http://x/verify", "OPEN": "/"},
    {"GATE": "http://x/verify", "OPEN": ["health"]},
]


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_wrong_setting_keeps_the_server_from_starting(settings, given):
    settings.ZAPAUTH = given
    with pytest.raises(ImproperlyConfigured, match="ZAPAUTH"):
        ZapAuthMiddleware(view)


@pytest.mark.parametrize("missing", ["JWKS", "ISSUER", "APP"])
def test_the_check_by_keys_needs_an_issuer_and_an_app(settings, missing):
    given = {"JWKS": "http://x/jwks", "ISSUER": "http://x", "APP": APP}
    settings.ZAPAUTH = given
    assert configured.until_expiry()
    settings.ZAPAUTH = given | {missing: ""}
    with pytest.raises(ImproperlyConfigured, match=missing):
        configured.until_expiry()
