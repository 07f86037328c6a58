"""`POST /oauth/revoke`: another service ends the session of a token (RFC 7009)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.db import OperationalError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.inspect.timeline_lines import who_ended
from sessions.models import EndReason, Session
from tests.phones import InProcess, Live, ZapPhone, pushes_of
from tests.services.backends import new_backend
from users.clock import database_now
from users.models import Access, SecurityEvent
from users.record.describing import describe
from users.record.lines import who_ordered


@pytest.fixture
def zap(db):
    return ZapPhone(InProcess(), device_token="push address").sign_up()


def assert_revoked(reply):
    assert (reply.status, reply.json) == (200, {})
    assert reply.headers["cache-control"] == "no-store"


def assert_ended(phone, backend):
    """Check that nothing of the phone's session works any more, and that its record says which app ended it."""
    assert phone.me().status == 401
    assert pushes_of(phone.user_id) == []
    session = Session.objects.get(user=phone.user_id)
    assert (session.end_reason, session.ended_by, session.ended_ip) == (EndReason.REVOKED, None, "127.0.0.1")
    entry = SecurityEvent.objects.get(event="revoked")
    assert (entry.user_id, entry.session_id, entry.app_id) == (phone.user_id, session.pk, session.app_id)
    assert entry.details == {"by_app": backend.app.name, "by_app_id": backend.app.pk}
    assert entry.request_id == session.ended_request_id != ""


def test_revoking_an_access_token_ends_the_session(new_phone, backend):
    phone = new_phone(device_token="push address").sign_up()
    assert pushes_of(phone.user_id) == ["push address"]
    assert_revoked(backend.revoke(phone.access_token))
    assert_ended(phone, backend)


def test_revoking_a_refresh_token_ends_the_session(zap, backend):
    assert_revoked(backend.revoke(zap.refresh_token))
    assert_ended(zap, backend)
    assert zap.refresh().json["code"] == "session_ended"
    assert BlacklistedToken.objects.count() == 1


def test_an_expired_access_token_still_ends_its_live_session(zap, backend):
    with time_machine.travel(database_now() + timedelta(hours=1), tick=False):
        assert zap.me().json["code"] == "token_expired"
        assert_revoked(backend.revoke(zap.access_token))
    assert Session.objects.get().end_reason == EndReason.REVOKED


def test_a_used_refresh_token_ends_its_session_too(zap, backend, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    used = zap.refresh_token
    assert zap.refresh().status == 200
    assert_revoked(backend.revoke(used))
    assert Session.objects.get().end_reason == EndReason.REVOKED
    assert not SecurityEvent.objects.filter(event="refresh_reused").exists()


@pytest.mark.only("buddy")
def test_an_app_level_token_ends_the_session_of_the_app_on_the_device(new_phone, backend):
    phone = new_phone()
    phone.register_device()
    assert_revoked(backend.revoke(phone.app_token))
    assert phone.call("PATCH", "/devices/current", {"tag": "x"}, token=phone.app_token).status == 401
    assert SecurityEvent.objects.get(event="revoked").user_id is None


def test_other_sessions_of_the_user_go_on(zap, backend):
    other = ZapPhone(InProcess())
    other.log_in(zap.username)
    assert_revoked(backend.revoke(zap.access_token))
    assert (zap.me().status, other.me().status) == (401, 200)


def test_a_repeat_succeeds_and_keeps_the_first_reason(zap, backend):
    assert zap.log_out().status == 200
    for _ in range(2):
        assert_revoked(backend.revoke(zap.access_token))
    assert Session.objects.get().end_reason == EndReason.LOGOUT
    assert not SecurityEvent.objects.filter(event="revoked").exists()


@pytest.mark.parametrize("text", ["x", "a.b.c", "Bearer x"])
def test_an_unknown_token_is_answered_as_done(backend, text):
    assert_revoked(backend.revoke(text))


def test_a_token_of_another_app_is_refused_whether_it_is_live_or_not(zap, db):
    # A 200 would claim that the session has ended. The refusal tells nothing: the token itself says whose it is.
    other = new_backend(token_access=Access.OWN)
    assert other.revoke(zap.access_token).status == 403
    assert zap.me().status == 200
    zap.log_out()
    reply = other.revoke(zap.access_token)
    assert (reply.status, reply.json["error"]) == (403, "unauthorized_client")


@pytest.mark.only("buddy")
def test_an_app_with_access_to_its_own_sessions_ends_these(new_phone, db):
    own = new_backend(token_access=Access.OWN)
    phone = new_phone(app_id=own.app.pk, app_key=own.key).sign_up()
    assert_revoked(own.revoke(phone.access_token))
    assert phone.me().status == 401


def test_an_app_without_access_ends_nothing(zap, db):
    assert new_backend().revoke(zap.access_token).status == 403
    assert zap.me().status == 200


def test_if_the_outcome_is_unknown_the_answer_is_503_and_says_when_to_try_again(zap, backend, monkeypatch):
    def broken(*args, **kwargs):
        raise OperationalError("on purpose")

    monkeypatch.setattr("sessions.revocation.end_sessions", broken)
    reply = backend.revoke(zap.access_token)
    assert (reply.status, reply.json["error"]) == (503, "temporarily_unavailable")
    assert int(reply.headers["retry-after"]) > 0


def test_the_record_says_in_words_who_ended_the_session(zap, backend):
    backend.revoke(zap.access_token)
    entry = SecurityEvent.objects.get(event="revoked")
    told = f"{zap.username}: a session was ended by another service, {backend.app.name}, from 127.0.0.1."
    assert describe(entry, to_staff=True) == told
    assert describe(entry, to_staff=False) == "A session was ended by another service."
    assert who_ordered(entry) == backend.app.name
    assert who_ended(Session.objects.get()) == "another service"


# --- real servers ----------------------------------------------------------------------------------


def test_after_the_answer_no_worker_accepts_the_token(server):
    backend = new_backend(Live(server.base_url), token_access=Access.ALL)
    for _ in range(20):
        phone = ZapPhone(Live(server.base_url)).sign_up()
        assert backend.is_active(phone.access_token)
        assert_revoked(backend.revoke(phone.refresh_token))
        assert phone.me().status == 401
        assert not backend.is_active(phone.access_token)


def test_ten_at_once_end_the_session_once(server):
    backend, barrier = new_backend(Live(server.base_url), token_access=Access.ALL), Barrier(10)
    phone = ZapPhone(Live(server.base_url)).sign_up()

    def revoke(_):
        barrier.wait()
        return backend.revoke(phone.access_token).status

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(revoke, range(10))) == [200] * 10
    assert SecurityEvent.objects.filter(event="revoked").count() == 1
