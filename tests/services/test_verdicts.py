"""Every door gives the same verdict: the dialects, the gate, introspection, the push gate, and what staff are told."""

from datetime import timedelta

import pytest
import time_machine

from sessions.inspect.token import explain
from sessions.models import EndReason, Refusal, Session
from sessions.policy import idle_timeout
from tests.services.backends import new_backend
from tests.services.senders import Sender
from users.models import Access, App, User

NOW = "2026-03-01T12:00:00Z"
TICK = timedelta(microseconds=1)
# What happens to the session, its app or its user, and the rule that then refuses it. None: it stays live.
CHANGES = {
    "nothing": (None, None, {}),
    "it has ended": (Refusal.ENDED, Session, lambda now: {"ended_at": now, "end_reason": EndReason.STAFF}),
    "a clock that was ahead ended it": (
        Refusal.ENDED,
        Session,
        lambda now: {"ended_at": now + timedelta(days=1), "end_reason": EndReason.STAFF},
    ),
    "it expires now": (Refusal.EXPIRED, Session, lambda now: {"expires_at": now}),
    "it expires next": (None, Session, lambda now: {"expires_at": now + TICK}),
    "it is idle now": (Refusal.IDLE, Session, lambda now: {"last_seen_at": now - idle_timeout(App())}),
    "it is idle next": (None, Session, lambda now: {"last_seen_at": now - idle_timeout(App()) + TICK}),
    "its app is off": (Refusal.APP_INACTIVE, App, {"is_active": False}),
    "an order for its app": (Refusal.APP_CUT_OFF, App, {"session_epoch": 1}),
    "its app is cut off at its log-in": (Refusal.APP_CUT_OFF, App, lambda now: {"sessions_valid_after": now}),
    "its app was cut off before it": (None, App, lambda now: {"sessions_valid_after": now - TICK}),
    "its user is disabled": (Refusal.USER_INACTIVE, User, {"is_active": False}),
    "its user is deleted": (Refusal.USER_INACTIVE, User, lambda now: {"deleted_at": now}),
    "an order for its user": (Refusal.USER_CUT_OFF, User, {"session_epoch": 1}),
    "its user is cut off at its log-in": (Refusal.USER_CUT_OFF, User, lambda now: {"sessions_valid_after": now}),
    "its user was cut off before it": (None, User, lambda now: {"sessions_valid_after": now - TICK}),
}


def verdicts(phone, backend, sender):
    """Return which doors accept the phone's token now, by name."""
    bearer = {"Authorization": f"Bearer {phone.access_token}"}
    return {
        "explain": explain(phone.access_token).is_accepted,
        "push/check": sender.allowed(deviceTokens=["hers"]) == {"hers": phone.user_id},
        "push/check by user": sender.allowed(users=[phone.user_id]) == {"hers": phone.user_id},
        "push/tokens": len(sender.tokens(phone.user_id)["deviceTokens"]) == 1,
        "introspect": backend.is_active(phone.access_token),
        "gate": phone.send("GET", "/verify?level=user", headers=bearer).status == 200,
        "gate below": phone.send("GET", "/verify/a/path", headers=bearer).status == 200,
        "dialect": phone.me().status == 200,
    }


def test_the_changes_break_every_rule_for_tokens():
    assert {rule for rule, _, _ in CHANGES.values()} == {None, *Refusal} - {Refusal.NOT_STAFF}  # the admin's cookies


@pytest.mark.parametrize("change", CHANGES)
def test_all_doors_agree_on_every_rule(new_phone, change):
    rule, model, fields = CHANGES[change]
    with time_machine.travel(NOW, tick=False):
        phone, backend = new_phone(device_token="hers").sign_up(), new_backend(token_access=Access.ALL)
        sender = Sender(phone.send)
        session = Session.objects.select_related("app", "user").get(user=phone.user_id)
        assert set(verdicts(phone, backend, sender).values()) == {True}
        if model is not None:
            pk = {Session: session.pk, App: session.app_id, User: session.user_id}[model]
            model.objects.filter(pk=pk).update(**(fields(session.created_at) if callable(fields) else fields))
        session = Session.objects.select_related("app", "user").get(pk=session.pk)
        assert session.refusal(session.created_at) is rule
        found = verdicts(phone, backend, sender)
        assert set(found.values()) == {rule is None}, found
