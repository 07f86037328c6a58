import pytest
from django.db import transaction

from sessions.errors import SessionEnded, TokenInvalid, TokenMissing
from sessions.logout import end_sessions
from sessions.models import EndReason, Refusal, Session
from tests.phones import InProcess, ZapPhone
from users import counting
from users.record.events import Event
from users.record.writing import record


class Noted(list):
    """Counts by noting each call."""

    def __getattr__(self, name):
        return lambda *given, **facts: self.append((name, *given, *facts.values()))


@pytest.fixture
def noted():
    counts = Noted()
    counting.use(counts)
    yield counts
    counting.use(None)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_counted(noted):
    phone = ZapPhone(InProcess()).sign_up()
    noted.clear()
    sessions = Session.objects.filter(user=phone.user_id)
    with transaction.atomic():
        end_sessions(sessions, actor=None, reason=EndReason.STAFF)
        record(Event.SESSIONS_ENDED)
        transaction.set_rollback(True)
    assert noted == []
    end_sessions(sessions, actor=None, reason=EndReason.STAFF)
    assert noted == [("sessions_ended", 1, "staff", False)]


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_the_counting_undoes_nothing(noted, monkeypatch):
    phone = ZapPhone(InProcess()).sign_up()
    monkeypatch.setattr(noted, "append", None)
    ended = end_sessions(Session.objects.filter(user=phone.user_id), actor=None, reason=EndReason.STAFF)
    assert len(ended) == 1


def test_without_anybody_who_counts_nothing_happens():
    counting.sessions_ended(1, reason="logout", is_bulk=False)
    counting.token_refused("token_missing")


def test_the_rule_of_a_refusal_is_the_one_of_its_session_and_never_a_text():
    assert SessionEnded(Refusal.USER_CUT_OFF).rule == "user_cut_off"
    assert SessionEnded().rule == "session_ended"
    assert (TokenMissing().rule, TokenInvalid("x.y.z").rule) == ("token_missing", "token_invalid")
