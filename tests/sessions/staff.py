"""Staff at the admin, in this process: who they are, and what they click."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.phones import PASSWORD
from users.models import User

LIST = "/admin/user_sessions/session/"


_numbers: dict[tuple[str, str], int] = {}


def make_groups() -> None:
    """The groups of the migration; tests with real servers empty all tables.

    Django numbers its models anew then, but the servers remember their numbers: so they keep the first ones.
    """
    if _numbers and _numbers != _numbers_now():
        ContentType.objects.all().delete()
        ContentType.objects.bulk_create(ContentType(pk, *names) for names, pk in _numbers.items())
        ContentType.objects.clear_cache()
    configs = [apps.get_app_config(label) for label in ("users", "user_sessions")]
    modules = [config.models_module for config in configs]
    migration = import_module("sessions.migrations.0009_staff_groups")
    migration.make_groups(apps, connection.schema_editor())
    # Of a migration's apps it may take them away, ours go on: without them nobody gets permissions any more.
    for config, module in zip(configs, modules, strict=True):
        config.models_module = module
    _numbers.update(_numbers or _numbers_now())


def _numbers_now() -> dict[tuple[str, str], int]:
    return {(kind.app_label, kind.model): kind.pk for kind in ContentType.objects.all()}


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
    """A browser in which ``user``, who has the usual password, has logged in by the admin's form."""
    client = Client()
    log_in(client, user)
    return client


def log_in(client: Client, user: User, password: str = PASSWORD) -> None:
    form = {"username": user.username, "password": password, "next": "/admin/"}
    assert client.post("/admin/login/", form).status_code == 302


def is_in(client: Client) -> bool:
    """Whether the admin lets that browser in."""
    answer = client.get("/admin/")
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


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
