"""Staff at the admin, in this process: who they are, and what they click."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.phones import PASSWORD
from users.models import User

LIST = "/admin/user_sessions/session/"


def make_groups() -> None:
    """The groups of the migration; tests with real servers empty all tables."""
    migration = import_module("sessions.migrations.0009_staff_groups")
    migration.make_groups(apps, connection.schema_editor())


def new_staff(group: str | None = None, *, name: str = "staff") -> User:
    """In that group; without one a superuser."""
    if group is None:
        return User.objects.create_superuser(name, PASSWORD)
    if not Group.objects.filter(name=group).exists():
        make_groups()
    user = User.objects.create_user(name, PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def tick(browser: Client, action: str, ids: list[str], *, across: bool = False, narrowed: str = "") -> Any:
    """Choose sessions in the list, and an action; the page that answers."""
    chosen = {"action": action, "_selected_action": ids, "select_across": "1" if across else "0"}
    return browser.post(LIST + narrowed, chosen, follow=True)


def confirm(browser: Client, page: Any, **answers: str) -> Any:
    """Fill in the page that asks, and go on."""
    question = page.context["question"]
    return browser.post(question.url, {"token": question.token, **answers}, follow=True)


def user_url(user_id: str, what: str = "change") -> str:
    return reverse(f"admin:users_user_{what}", args=[user_id])


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])
