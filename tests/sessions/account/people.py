"""People in the account page, in this process: their browsers and their clicks."""

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from django.test import Client

from sessions.cookies import ACCOUNT_COOKIE
from sessions.models import Session
from tests.phones import PASSWORD
from users.clock import database_now
from users.models import App, User

HOME, LOG_IN, CODE, FORGOTTEN = "/account/", "/account/login/", "/account/login/code/", "/account/forgotten/"
NEW = "another-pass-2"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def log_in(client: Client, name: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOG_IN, {"username": name, "password": password, **more})


def browser_of(name: str) -> Client:
    """Return a browser in which that user has logged in to the account page. They have the usual password."""
    client = Client(headers={"user-agent": FIREFOX})
    assert log_in(client, name).status_code == 302
    return client


def is_in(client: Client) -> bool:
    """Return whether the account page accepts that browser's session."""
    answer = client.get(HOME)
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def with_cookie(value: str) -> Client:
    client = Client()
    client.cookies[ACCOUNT_COOKIE] = value
    return client


def copy_of(browser: Client) -> Client:
    """Return another browser with the account's cookie of the first one, as a thief has it."""
    return with_cookie(browser.cookies[ACCOUNT_COOKIE].value)


def session_of(name: str) -> Session:
    """Return the newest log-in of that user to the account page."""
    found = Session.objects.filter(user__username=name, app__kind=App.Kind.ACCOUNT)
    return found.select_related("app", "user").latest("pk")


def leave_for_an_hour(name: str) -> None:
    """Make the last proof of the user's password an hour old."""
    Session.objects.filter(user__username=name).update(authenticated_at=database_now() - timedelta(hours=1))


def live(name: str) -> list[Session]:
    return list(Session.objects.filter(user__username=name, ended_at=None).select_related("app").order_by("pk"))


def user(name: str) -> User:
    return User.objects.get(username=name)


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_hidden = tag in ("title", "style")

    def handle_data(self, data: str) -> None:
        if not self.is_hidden:
            self.found.append(data)


def text_of(page: Any) -> str:
    """Return the text that people read on a page."""
    parser = _Texts()
    parser.feed(page.content.decode())
    return " ".join(" ".join(parser.found).split())
