"""Where the time of an authenticated read goes: `python -m bench.layers`.

Each layer by itself, in one process, thousands of times over: so it finds all that it needs in the processor's caches,
which a request that has just waited for the database does not. What a row says is which layer to look at.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from bench.database import running_database
from bench.projects import DEFAULT
from bench.serving import run_python
from bench.tables import table

SESSIONS, TURNS, BATCHES = 256, 512, 12
READ, PING = "/v1/users/token", "/service/ping"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zapauth-layers-") as data, running_database(Path(data)) as database:
        DEFAULT.migrate(database)
        print(run_python("-m", "bench.layers", "here", given=DEFAULT.environment(database)), end="")


def measure_here() -> dict[str, float]:
    """Microseconds of CPU by layer, in this process, which has ZapAuth's settings."""
    import django

    django.setup()
    from bench.zap_logins import mint

    access = [login["access"] for login in mint(SESSIONS)]
    unseen = [login["access"] for login in mint(TURNS * (BATCHES + 1))]
    return _down_to_the_view(access) | _below_the_view(access, unseen)


def _down_to_the_view(access: list[str]) -> dict[str, float]:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
    from django.test import override_settings
    from django.urls import resolve

    from zapauth.wsgi import application

    def answer(application: Any, path: str) -> Callable[[int], Any]:
        def once(turn: int) -> None:
            response = application(_environ(path, access[turn % SESSIONS]), _start_response)
            b"".join(response)
            response.close()

        return once

    def request(turn: int) -> Any:
        made: Any = WSGIRequest(_environ(PING, access[turn % SESSIONS]))
        made.request_id, made.client_ip = "-", None
        return made

    # What the views themselves need.
    with override_settings(MIDDLEWARE=[name for name in settings.MIDDLEWARE if "zapauth.request_facts" in name]):
        bare = WSGIHandler()
    view = resolve(PING).func
    whole, ping = _microseconds(answer(application, READ)), _microseconds(answer(application, PING))
    inner, made = _microseconds(answer(bare, PING)), _microseconds(request)
    url, framework = _microseconds(lambda _: resolve(READ)), _microseconds(lambda turn: view(request(turn))) - made
    return {
        "a whole read, its token seen before": whole,
        "Django: handler, request, signals": inner - url - framework,
        "middleware": ping - inner,
        "finding the view": url,
        "Django REST framework, and the view of a ping": framework,
    }


def _below_the_view(access: list[str], unseen: list[str]) -> dict[str, float]:
    from django.db import connection

    from sessions.authentication import get_live_session
    from sessions.tokens.jwt import UserAccessToken
    from users.models import User
    from zapauth.zap.answers import USER
    from zapauth.zap.envelope import success

    tokens, user, fresh = [UserAccessToken.read(each) for each in access], User.objects.all()[0], iter(unseen)

    def session(turn: int) -> None:
        get_live_session(tokens[turn % SESSIONS])
        connection.close()

    return {
        "token that has been seen before": _microseconds(lambda turn: UserAccessToken.read(access[turn % SESSIONS])),
        "token that is seen for the first time": _microseconds(lambda _: UserAccessToken.read(next(fresh))),
        "driver: the session, its app and its user": _microseconds(session),
        "the answer's JSON": _microseconds(lambda _: success(USER(user))),
    }


def _environ(path: str, token: str) -> dict[str, Any]:
    server = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"}
    given = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "wsgi.url_scheme": "http"}
    client = {"REMOTE_ADDR": "127.0.0.1"}
    headers = {"HTTP_HOST": "127.0.0.1", "HTTP_USER_AGENT": "bench/1", "HTTP_AUTHORIZATION": f"Bearer {token}"}
    return server | client | given | headers | {"wsgi.input": BytesIO(), "wsgi.errors": sys.stderr}


def _start_response(status: str, headers: list[tuple[str, str]]) -> None:
    """Nobody reads it."""


def _microseconds(call: Callable[[int], Any]) -> float:
    """Of CPU, for one call, in the best of some batches: what others do to the machine only adds."""
    best = float("inf")
    for batch in range(BATCHES + 1):  # the first one warms up
        began = time.process_time()
        for turn in range(TURNS):
            call(turn)
        spent = time.process_time() - began
        best = min(best, spent) if batch else best
    return 1e6 * best / TURNS


if __name__ == "__main__":
    if sys.argv[1:] == ["here"]:
        print(table(["layer", "CPU µs"], [[name, f"{found:.0f}"] for name, found in measure_here().items()]))
    else:
        main()
