"""Send a read's statement in two ways, in a process with ZapAuth's settings: `python -m bench.drivers ROUNDS`.

Prints JSON: the CPU microseconds of this process for each call, one figure for each round.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import django

BATCH = 1024


def main(rounds: int) -> None:
    django.setup()
    from django.db import connections
    from psycopg import Cursor

    from sessions.models import Session
    from sessions.sql.live_session import FIND_SESSION

    pool = connections["default"].pool  # type: ignore[attr-defined]  # PostgreSQL's has one
    sql = re.sub(r"\$1\b", "%s", FIND_SESSION.sql)
    ids = list(Session.objects.values_list("pk", flat=True)[:128])
    connections["default"].close()

    def by_cursor(session_id: Any) -> None:
        with pool.connection() as connection:
            connection.prepare_threshold = 5  # Django sets None, which disables prepared statements in psycopg
            Cursor(connection).execute(sql, [session_id], prepare=True, binary=True).fetchall()

    ways: dict[str, Callable[[Any], object]] = {
        "libpq's calls (users.statement)": lambda session_id: FIND_SESSION.look_up(id=session_id),
        "psycopg's cursor, prepared and binary": by_cursor,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):  # the first round is a warm-up
        for name, call in ways.items():
            began = time.process_time()
            for turn in range(BATCH):
                call(ids[turn % len(ids)])
            if number:
                found[name].append(1e6 * (time.process_time() - began) / BATCH)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
