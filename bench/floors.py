"""Measure single prepared statements by primary key: the least that PostgreSQL needs, and what each driver costs."""

import json
from uuid import UUID

from bench.processes import cpu_seconds
from bench.projects import DEFAULT
from bench.rounds import Bench, mint, say
from bench.serving import run_python
from bench.subjects import ZAP

# Each statement commits by itself. Each UPDATE changes another session.
STATEMENTS = {
    "SELECT": "SELECT * FROM user_sessions_session WHERE id = %s",
    "UPDATE": "UPDATE user_sessions_session SET ended_at = now(), end_reason = 'logout' WHERE id = %s",
}
SESSIONS = 5_000  # sessions in each round
# How often each session is used. One SELECT is too short for a CPU clock that ticks a hundred times a second.
TURNS = {"SELECT": 4, "UPDATE": 1}


def measure_floors(bench: Bench) -> dict[str, list[float]]:
    """PostgreSQL's CPU milliseconds for each statement, one figure for each round."""
    DEFAULT.migrate(bench.database)
    count = SESSIONS // 10 if bench.is_quick else SESSIONS
    ids = [UUID(login["session"]) for login in mint(bench, DEFAULT, ZAP.mint, count * bench.rounds)]
    bench.database.tidy(DEFAULT.database)
    found: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for number in range(bench.rounds):
        mine = ids[number * count : (number + 1) * count]
        for name, values in found.items():
            values.append(_measure_floor(bench, name, mine * TURNS[name]))
            say(f"{name} {number + 1}/{bench.rounds}  {values[-1]:.3f} ms of CPU")
    return found


def _measure_floor(bench: Bench, name: str, ids: list[UUID]) -> float:
    with bench.database.connect(DEFAULT.database) as connection:
        connection.execute(STATEMENTS[name], (ids[0],), prepare=True)
        bench.database.write_out()
        before = cpu_seconds(bench.database.pid)
        for session_id in ids:
            connection.execute(STATEMENTS[name], (session_id,))
        return 1000 * (cpu_seconds(bench.database.pid) - before) / len(ids)


def measure_drivers(bench: Bench) -> dict[str, list[float]]:
    """CPU microseconds of a read's statement for each way to send it, one figure for each round."""
    DEFAULT.migrate(bench.database)
    mint(bench, DEFAULT, ZAP.mint, 128)
    printed = run_python("-m", "bench.drivers", str(bench.rounds), given=DEFAULT.environment(bench.database))
    found: dict[str, list[float]] = json.loads(printed)
    return found
