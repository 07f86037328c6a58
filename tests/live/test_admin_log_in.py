"""Log-ins to the admin of a server with two workers. If one worker ends a session, both refuse it."""

from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
from django.core.management import call_command

from sessions.models import EndReason, Session
from tests.live.refusals import TRIES
from tests.live.test_doors import Browser
from tests.phones import Live, ZapPhone
from tests.sessions.staff import new_staff


def let_in(base_url: str, cookie: str) -> list[bool]:
    """Return whether the admin accepts the cookie. Each try has its own connection, so that each worker answers."""
    answers = [httpx.get(f"{base_url}/admin/", cookies={"sessionid": cookie}, timeout=30) for _ in range(TRIES)]
    assert {answer.status_code for answer in answers} <= {200, 302}
    return [answer.status_code == 200 for answer in answers]


def log_out(browser: Browser) -> None:
    browser.send("/admin/logout/", {}, status=200)


def log_out_everywhere_by_a_phone(browser: Browser) -> None:
    phone = ZapPhone(Live(str(browser.client.base_url).rstrip("/")))
    phone.log_in("boss")
    assert phone.ask("POST", f"/v1/users/{phone.user_id}/sessions/logout", {"scope": "all"}).status == 200


def log_out_everyone(browser: Browser) -> None:
    call_command("logout", "--everyone", reason="Leak", verbosity=0)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (log_out, EndReason.LOGOUT),
        (log_out_everywhere_by_a_phone, EndReason.LOGOUT),
        (log_out_everyone, EndReason.OPERATOR),
    ],
)
def test_no_worker_takes_a_kept_cookie_after_the_session_has_ended(
    server, end: Callable[[Browser], None], reason: EndReason
):
    new_staff(name="boss")
    browser = Browser(server.base_url, "boss")
    with closing(browser.client):
        kept = browser.client.cookies["sessionid"]
        assert all(let_in(server.base_url, kept))
        end(browser)
        assert not any(let_in(server.base_url, kept))
    assert Session.objects.get(app__name="Admin").end_reason == reason
