"""The statement that finds the app of a log-in."""

from sessions.sql.live_session import build, columns
from users.models import App
from users.statement import Statement

_APP = columns(App)
_BY_NAME = Statement(f"SELECT {', '.join(_APP)} FROM users_app WHERE name = %(name)s")  # noqa: S608  # names of columns


def find_app(name: str) -> App | None:
    """Find the app of that name."""
    row = _BY_NAME.look_up(name=name)
    return build(App, _APP, iter(row)) if row else None
