"""The demo app and the demo superuser of `make run`, and the text that it prints."""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from sessions.models import Session
from users.clients import create_app
from users.models import App, User
from users.record.events import Event
from users.record.operator import operator_name
from users.record.writing import record

APP = "Demo"
STAFF = "demo"


@dataclass(frozen=True)
class Demo:
    """The demo app. The app key and the superuser's password are set only if they are new."""

    app: App
    app_key: str | None = None
    password: str | None = None

    @property
    def is_new(self) -> bool:
        return self.app_key is not None


@transaction.atomic
def prepare() -> Demo | None:
    """Return the demo app. If there is none, make it. Also make the superuser, unless the name is taken.

    With DATABASE_URL, make nothing and return None: the log would contain the password of a superuser.
    """
    if not settings.IS_LOCAL:
        return None
    app = App.objects.filter(name=APP).first()
    if app is not None:
        return Demo(app)
    new = create_app(APP, operator=operator_name())
    password = None
    if not User.objects.filter(username__iexact=STAFF, deleted_at=None).exists():
        # Long enough to be safe. The last characters meet ZAP's rules for passwords.
        password = f"{secrets.token_urlsafe(12)}-7"
        user = User.objects.create_superuser(STAFF, password, name="Demo staff")
        record(Event.USER_CREATED, user=user, operator=operator_name(), superuser=True)
    return Demo(new.app, new.key, password)


def banner(demo: Demo | None, *, url: str, asked: bool = False) -> str:
    """The text for the operator at the start: the address, the logins and commands to paste.

    If a demo was ``asked`` for and there is none, the text explains how to make an app and a superuser.
    """
    database = f"embedded PostgreSQL in {settings.DATA_DIR}" if settings.IS_LOCAL else "the PostgreSQL of DATABASE_URL"
    lines = [
        "",
        f"ZapAuth listens on {url} with {settings.WORKERS} workers. Ctrl-C stops all of it.",
        f"  Database    {database}",
    ]
    if demo is None:
        return "\n".join([*lines, *(_LEFT_OUT if asked else []), ""])
    if demo.is_new:
        lines.append("              new: the secrets below are shown this once, only their hashes are kept")
    else:
        users, live = User.objects.count(), Session.objects.filter(ended_at=None).count()
        lines.append(f"              kept from before: {users} users, {live} open sessions")
    lines += [
        f"  API         {url}/docs",
        f"  Admin       {url}/admin/",
        f"  Staff       {STAFF}",
        f"  Password    {demo.password or 'shown at the first start; a new one: .venv/bin/python manage.py changepassword demo'}",
        f"  App id      {demo.app.pk}",
        f"  App key     {demo.app_key or 'shown at the first start; another app: .venv/bin/python manage.py createapp NAME'}",
        "",
        "Try a logout in the ZAP dialect:",
        "",
        _zap_example(url),
        "",
        "and in the Buddy dialect:",
        "",
        _buddy_example(url, demo.app.pk, demo.app_key or "THE-APP-KEY"),
        "",
    ]
    return "\n".join(lines)


_LEFT_OUT = [
    "  Demo        left out: with DATABASE_URL no demo app and no demo superuser are made. To make your own:",
    '              .venv/bin/python manage.py createapp "My app"',
    "              .venv/bin/python manage.py createsuperuser",
]


def _zap_example(url: str) -> str:
    return f"""\
  NAME=zap_$(date +%s); JSON='Content-Type: application/json'
  curl -s {url}/v1/users -H "$JSON" -d '{{"username":"'$NAME'","email":"'$NAME'@example.org","password":"correct-horse-1"}}'; echo
  LOGIN=$(curl -s {url}/v1/login -H "$JSON" -d '{{"identity":"'$NAME'","password":"correct-horse-1","deviceToken":"my-phone"}}')
  ID=$(echo "$LOGIN" | sed 's/.*"id":"\\([^"]*\\).*/\\1/'); TOKEN=$(echo "$LOGIN" | sed 's/.*"token":"\\([^"]*\\).*/\\1/')
  curl -s -X PUT {url}/v1/users/logout/$ID -H "Authorization: Bearer $TOKEN" -H "$JSON" -d '{{"deviceToken":"my-phone"}}'; echo
  curl -s {url}/v1/users/token -H "Authorization: Bearer $TOKEN"; echo"""


def _buddy_example(url: str, app_id: str, app_key: str) -> str:
    return f"""\
  NAME=buddy_$(date +%s); token() {{ sed 's/.*"accessToken":"\\([^"]*\\).*/\\1/'; }}
  APP=$(curl -s {url}/devices -d appId={app_id} -d appKey={app_key} -d platform=curl | token)
  USER_TOKEN=$(curl -s {url}/users -H "Authorization: Buddy $APP" -d username=$NAME -d password=correct-horse-1 | token)
  curl -s -X POST {url}/users/me/logout -H "Authorization: Buddy $USER_TOKEN"; echo
  curl -s {url}/users/me -H "Authorization: Buddy $USER_TOKEN"; echo"""
