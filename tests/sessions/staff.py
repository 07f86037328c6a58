"""Staff in the admin, in this process: who they are, and what they click."""

from html.parser import HTMLParser
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.content_types import keep_numbers
from tests.phones import PASSWORD
from users.models import User

LIST = "/admin/user_sessions/session/"


def make_groups() -> None:
    """Make the groups of the migration. They are missing after a test with a real server, which empties all tables."""
    keep_numbers()
    configs = [apps.get_app_config(label) for label in ("users", "user_sessions")]
    modules = [config.models_module for config in configs]
    migration = import_module("sessions.migrations.0001_initial")
    migration.make_groups(apps, connection.schema_editor())
    # The migration may reset `models_module` of its own apps, but not of ours: permissions would no longer be made.
    for config, module in zip(configs, modules, strict=True):
        config.models_module = module


def new_staff(group: str | None = None, *, name: str = "staff") -> User:
    """Make a member of staff in that group; without a group, a superuser."""
    if group is None:
        return User.objects.create_superuser(name, PASSWORD)
    if not Group.objects.filter(name=group).exists():
        make_groups()
    user = User.objects.create_user(name, PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def browser_of(user: User) -> Client:
    """A browser in which ``user``, who has the usual password, has logged in by the admin's form."""
    client = Client()
    log_in(client, user)
    return client


def log_in(client: Client, user: User, password: str = PASSWORD) -> None:
    form = {"username": user.username, "password": password, "next": "/admin/"}
    assert client.post("/admin/login/", form).status_code == 302


def is_in(client: Client) -> bool:
    """Whether the admin accepts that browser's session."""
    answer = client.get("/admin/")
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def tick(browser: Client, action: str, ids: list[str], *, across: bool = False, narrowed: str = "") -> Any:
    """Choose sessions in the list and an action. Returns the page that answers."""
    chosen = {"action": action, "_selected_action": ids, "select_across": "1" if across else "0"}
    return browser.post(LIST + narrowed, chosen, follow=True)


def confirm(browser: Client, page: Any, **answers: str) -> Any:
    """Fill in the confirmation page and go on."""
    question = page.context["question"]
    return browser.post(question.url, {"token": question.token, **answers}, follow=True)


def user_url(user_id: str, what: str = "change") -> str:
    return reverse(f"admin:users_user_{what}", args=[user_id])


class _Form(HTMLParser):
    """The fields of the admin's form, as a browser would send them unchanged."""

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
    """What the form of that page sends when nobody changes it."""
    form = _Form()
    form.feed(browser.get(url).content.decode())
    return form.sent


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])
