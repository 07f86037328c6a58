"""A real server tells services which sessions have ended."""

from sessions.models import Session
from tests.listeners import listening, new_service
from tests.phones import Live, ZapPhone


def test_a_logout_is_told_at_once(server):
    service = new_service()
    phone = ZapPhone(Live(server.base_url)).sign_up("ann")
    with listening(server.base_url, service) as listener:
        assert listener.headers["content-type"] == "text/event-stream"
        assert phone.log_out().status == 200
        (told,) = listener.wait_for("session-ended")
    session = Session.objects.get()
    assert told.data == {
        "session": str(session.pk),
        "user": phone.user_id,
        "app": session.app_id,
        "reason": "logout",
        "at": session.ended_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
