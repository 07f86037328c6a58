"""Staff in the admin, in this process: their accounts and their clicks."""

from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from tests.phones import PASSWORD
from users.models import App, User

LIST = "/admin/user_sessions/session/"


def new_staff(group: str | None = None, *, name: str = "staff") -> User:
    """Make a member of staff in that group; without a group, a superuser."""
    if group is None:
        return User.objects.create_superuser(name, PASSWORD)
    user = User.objects.create_user(name, PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def browser_of(user: User) -> Client:
    """Return a browser in which ``user`` has logged in by the admin's form. The user has the usual password."""
    client = Client()
    log_in(client, user)
    return client


def log_in(client: Client, user: User, password: str = PASSWORD) -> None:
    form = {"username": user.username, "password": password, "next": "/admin/"}
    assert client.post("/admin/login/", form).status_code == 302


def is_in(client: Client) -> bool:
    """Return whether the admin accepts that browser's session."""
    answer = client.get("/admin/")
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def tick(browser: Client, action: str, ids: list[str], *, across: bool = False, narrowed: str = "") -> Any:
    """Tick sessions in the list and choose an action. Returns the page that answers."""
    chosen = {"action": action, "_selected_action": ids, "select_across": "1" if across else "0"}
    return browser.post(LIST + narrowed, chosen, follow=True)


def confirm(browser: Client, page: Any, **answers: str) -> Any:
    """Fill in the confirmation page and submit it."""
    question = page.context["question"]
    return browser.post(question.url, {"token": question.token, **answers}, follow=True)


def app_url(app: App, what: str = "change") -> str:
    return reverse(f"admin:users_app_{what}", args=[app.pk])


def order_app(browser: Client, app: App, what: str, **answers: str) -> Any:
    """Open the page of an act on the app, such as `switch_off`, fill it in, and submit it."""
    question = browser.get(app_url(app, what)).context["question"]
    sent = {"note": "Ticket 4711", "token": question.token, **question.hidden, **answers}
    return browser.post(question.url, sent, follow=True)


def user_url(user_id: str, what: str = "change") -> str:
    return reverse(f"admin:users_user_{what}", args=[user_id])


class _Form(HTMLParser):
    """Reads the fields of an admin form, as a browser would send them unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self.is_in, self.named = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name = has.get("name") or ""
        if tag == "form":
            self.is_in = (has.get("id") or "").endswith("_form")
        if not self.is_in:
            return
        if tag == "input" and name and has.get("type") != "submit":
            if has.get("type") != "checkbox" or "checked" in has:
                self.sent.setdefault(name, []).append(has.get("value") or ("on" if "checked" in has else ""))
        elif tag in ("select", "textarea"):
            self.named = name
            if tag == "textarea":
                self.sent[name] = [""]
        elif tag == "option" and "selected" in has:
            self.sent.setdefault(self.named, []).append(has.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self.is_in and self.lasttag == "textarea" and self.named:
            self.sent[self.named] = [data.lstrip("\n")]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea"):
            self.named = ""
        self.is_in = self.is_in and tag != "form"


def open_form(browser: Client, url: str) -> dict[str, list[str]]:
    """Return the values that the form of that page sends if nobody changes it."""
    form = _Form()
    form.feed(browser.get(url).content.decode())
    return form.sent


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])
