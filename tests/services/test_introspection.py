"""`POST /oauth/introspect`: another service asks whether a token is accepted now (RFC 7662, RFC 9701)."""

import json
from datetime import timedelta

import jwt
import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions.models import Session
from sessions.tokens.keys import key_ring
from tests.phones import InProcess, ZapPhone
from tests.services.backends import new_backend
from users.clients import set_access
from users.clock import database_now
from users.models import Access, App, SecurityEvent, User

INACTIVE = {"active": False}
REFRESH = "refresh_token"


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def zap(db):
    return ZapPhone(InProcess()).sign_up()


# --- what is said about a live token --------------------------------------------------------------


def test_a_live_token_is_described_without_personal_data(new_phone, backend):
    phone = new_phone().sign_up()
    claims, session = claims_of(phone.access_token), Session.objects.get(user=phone.user_id)
    assert backend.introspect(phone.access_token) == {
        "active": True,
        "token_type": "Bearer",
        "client_id": session.app_id,
        "sub": phone.user_id,
        "aud": session.app_id,
        "iss": settings.TOKEN_ISSUER,
        "sid": str(session.pk),
        "level": "user",
        "jti": claims["jti"],
        "iat": claims["iat"],
        "exp": claims["exp"],
    }


@pytest.mark.only("buddy")
def test_an_app_level_token_says_so(new_phone, backend):
    phone = new_phone()
    phone.register_device()
    told = backend.introspect(phone.app_token)
    assert (told["level"], told["sub"], told["client_id"]) == ("app", phone.app_id, phone.app_id)


def test_no_cache_may_store_the_answer(zap, backend):
    reply = backend.call("POST", "/oauth/introspect", {"token": zap.access_token})
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "application/json"


# --- inactive ----------------------------------------------------------------------------------


def test_after_the_logout_the_token_is_inactive(new_phone, backend):
    phone = new_phone().sign_up()
    assert backend.is_active(phone.access_token)
    assert phone.log_out().status == 200
    assert backend.introspect(phone.access_token) == INACTIVE


def test_a_token_is_inactive_from_the_second_of_its_exp(zap, backend):
    exp = claims_of(zap.access_token)["exp"]
    with time_machine.travel(exp - 1, tick=False):
        assert backend.is_active(zap.access_token)
    with time_machine.travel(exp, tick=False):
        assert backend.introspect(zap.access_token) == INACTIVE


@pytest.mark.parametrize("text", ["x", "a.b.c", "\N{SNOWMAN}", "Bearer x", "é" * 4000])
def test_garbage_is_inactive(backend, text):
    assert backend.introspect(text) == INACTIVE


def test_a_token_that_somebody_else_signed_is_inactive(zap, backend):
    header, payload, signature = zap.access_token.split(".")
    assert backend.introspect(f"{header}.{payload}.{signature[::-1]}") == INACTIVE


def test_a_disabled_user_and_an_app_that_is_off_have_no_active_tokens(zap, backend):
    User.objects.filter(pk=zap.user_id).update(is_active=False)
    assert backend.introspect(zap.access_token) == INACTIVE
    User.objects.filter(pk=zap.user_id).update(is_active=True)
    assert backend.is_active(zap.access_token)
    App.objects.filter(name=settings.ZAP_APP).update(is_active=False)
    assert backend.introspect(zap.access_token) == INACTIVE


def test_an_app_with_its_own_tokens_only_sees_no_others(new_phone, db):
    phone = new_phone().sign_up()
    other = new_backend(token_access=Access.OWN)
    with CaptureQueriesContext(connection) as queries:
        assert other.introspect(phone.access_token) == INACTIVE
    assert "user_sessions_session" not in "".join(query["sql"] for query in queries)


@pytest.mark.only("buddy")
def test_an_app_with_its_own_tokens_sees_these(new_phone, db):
    own = new_backend(token_access=Access.OWN)
    phone = new_phone(app_id=own.app.pk, app_key=own.key).sign_up()
    assert own.is_active(phone.access_token)


# --- refresh tokens ------------------------------------------------------------------------------


def test_a_refresh_token_is_active_only_for_who_asks_about_refresh_tokens(zap, backend):
    # A service that takes each active token for an access token must not take a refresh token, which lives for weeks.
    assert backend.introspect(zap.refresh_token) == INACTIVE
    assert backend.introspect(zap.refresh_token, hint="access_token") == INACTIVE
    assert backend.introspect(zap.refresh_token, hint="nonsense") == INACTIVE
    told = backend.introspect(zap.refresh_token, hint=REFRESH)
    assert (told["active"], told["token_type"]) == (True, REFRESH)
    assert told["exp"] == claims_of(zap.refresh_token)["exp"]
    assert backend.introspect(zap.access_token, hint=REFRESH)["token_type"] == "Bearer"


def test_a_used_refresh_token_is_inactive_and_asking_is_no_reuse(zap, backend, settings):
    settings.ROTATE_REFRESH_TOKENS, settings.REFRESH_GRACE = True, timedelta(0)
    used = zap.refresh_token
    successor = zap.refresh().json["data"]["refreshToken"]
    assert backend.introspect(used, hint=REFRESH) == INACTIVE
    assert backend.is_active(successor, hint=REFRESH)
    zap.refresh_token = successor
    assert zap.refresh().status == 200
    assert not SecurityEvent.objects.filter(event="refresh_reused").exists()


def test_asking_about_a_refresh_token_is_no_use_of_it(zap, backend, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    with time_machine.travel(database_now() + timedelta(days=1), tick=False):
        before = Session.objects.values().get(user=zap.user_id)
        assert backend.is_active(zap.refresh_token, hint=REFRESH)
        assert Session.objects.values().get(user=zap.user_id) == before
        assert zap.refresh().status == 200


def test_a_refresh_token_that_simplejwt_blacklists_is_inactive(zap, backend):
    from sessions.tokens.jwt import RefreshToken

    RefreshToken.read(zap.refresh_token).blacklist()
    assert backend.introspect(zap.refresh_token, hint=REFRESH) == INACTIVE


def test_asking_about_an_access_token_is_a_use_of_the_session(new_phone, backend, settings):
    phone = new_phone().sign_up()
    settings.ACCESS_TOKEN_LIFETIME = timedelta(days=30)
    phone.log_in(phone.username)
    for days in (10, 20):  # without use it would end after 14
        with time_machine.travel(database_now() + timedelta(days=days), tick=False):
            assert backend.is_active(phone.access_token)


# --- the signed answer ---------------------------------------------------------------------------

SIGNED = "application/token-introspection+jwt"


def ask_signed(backend, token, accept=SIGNED):
    reply = backend.call("POST", "/oauth/introspect", {"token": token}, Accept=accept)
    assert reply.status == 200, reply
    return reply


def read_signed(reply, audience):
    ring = key_ring(settings.SIGNING_KEYS)
    header = jwt.get_unverified_header(reply.text)
    assert header == {"alg": "ES256", "kid": ring.signing_kid, "typ": "token-introspection+jwt"}
    return jwt.decode(reply.text, ring.verifying[header["kid"]], ["ES256"], audience=audience)


def test_the_signed_answer_says_the_same_to_one_caller(zap, backend):
    reply = ask_signed(backend, zap.access_token)
    assert reply.headers["content-type"] == SIGNED
    assert reply.headers["cache-control"] == "no-store"
    claims = read_signed(reply, backend.app.pk)
    assert claims.keys() == {"iss", "aud", "iat", "token_introspection"}
    assert (claims["iss"], claims["aud"]) == (settings.TOKEN_ISSUER, backend.app.pk)
    assert claims["token_introspection"] == backend.introspect(zap.access_token)


def test_the_signed_answer_about_an_ended_token_has_the_databases_time(zap, backend):
    zap.log_out()
    with time_machine.travel(database_now() + timedelta(days=1), tick=False):
        claims = read_signed(ask_signed(backend, zap.access_token), backend.app.pk)
        assert claims["token_introspection"] == INACTIVE
        assert claims["iat"] == int(database_now().timestamp())


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "", "application/json", f"{SIGNED};q=0.5, application/json"]
)
def test_who_does_not_prefer_the_signed_answer_gets_json(zap, backend, accept):
    reply = ask_signed(backend, zap.access_token, accept)
    assert json.loads(reply.text)["active"] is True


def test_a_signed_answer_is_no_token(zap, backend):
    signed = ask_signed(backend, zap.access_token).text
    for send in (lambda: zap.me(signed), lambda: zap.call("POST", "/v1/refresh", {"refreshToken": signed})):
        assert (send().status, zap.last.json["code"]) == (401, "token_invalid")
    assert backend.introspect(signed) == INACTIVE
    # Not even with all the claims of a token in it: its `typ` alone keeps it out.
    ring = key_ring(settings.SIGNING_KEYS)
    header = {"kid": ring.signing_kid, "typ": "token-introspection+jwt"}
    forged = jwt.encode(claims_of(zap.access_token), ring.signing, "ES256", headers=header)
    assert zap.me(forged).status == 401
    assert (
        zap.me(
            jwt.encode(claims_of(zap.access_token), ring.signing, "ES256", headers=header | {"typ": "at+jwt"})
        ).status
        == 200
    )


# --- who may ask ----------------------------------------------------------------------------------


def test_an_app_without_access_is_refused(zap, db):
    reply = new_backend().call("POST", "/oauth/introspect", {"token": zap.access_token})
    assert (reply.status, reply.json["error"]) == (403, "unauthorized_client")


def test_access_that_is_taken_away_and_an_app_that_is_off_are_refused_at_once(zap, backend):
    assert backend.is_active(zap.access_token)
    set_access(backend.app, {"token_access": Access.NONE})
    assert backend.call("POST", "/oauth/introspect", {"token": zap.access_token}).status == 403
    set_access(backend.app, {"token_access": Access.ALL})
    App.objects.filter(pk=backend.app.pk).update(is_active=False)
    reply = backend.call("POST", "/oauth/introspect", {"token": zap.access_token})
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")


def test_the_credentials_may_be_in_the_form(zap, backend):
    form = {"token": zap.access_token, "client_id": backend.app.pk, "client_secret": backend.key}
    reply = backend.call("POST", "/oauth/introspect", form, Authorization=None)
    assert (reply.status, reply.json["active"]) == (200, True)


def test_it_costs_one_statement_for_the_app_and_one_for_the_session(new_phone, backend):
    phone = new_phone().sign_up()
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert backend.is_active(phone.access_token)
        assert len(queries) == 2
    phone.log_out()
    with CaptureQueriesContext(connection) as queries:
        assert backend.introspect(phone.access_token) == INACTIVE
    assert len(queries) == 2
