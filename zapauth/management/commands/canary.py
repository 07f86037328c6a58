"""Measure, again and again, how soon all workers refuse the tokens of a session that has logged out."""

import re
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from sessions.management.interrupts import noticing_signals
from sessions.management.operators import OperatorCommand
from zapauth.canary.lines import Lines
from zapauth.canary.report import Summary, line_of
from zapauth.canary.round import Result, Rounds

BROKEN, UNKNOWN = 1, 2  # exit codes
_LOOK = 0.2  # seconds between two looks for a signal
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Command(OperatorCommand):
    help = (
        "Log out again and again, and measure how soon every worker of every server refuses the tokens. Exits with 1 "
        "at the first round in which a worker accepts a token after the answer to its logout, and with 2 at the end if "
        "a round could not be measured. It opens its own sessions, which belong to no person, and deletes them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url",
            action="append",
            type=_url,
            help="a server, such as http://10.0.0.5:8000; several times for several servers (this machine's server)",
        )
        parser.add_argument("--every", type=_time, metavar="TIME", default=5.0, help="time between two rounds (5s)")
        parser.add_argument("--for", type=_time, metavar="TIME", dest="long", help="how long, such as 1h (for ever)")
        parser.add_argument("--once", action="store_true", help="carry out one round")
        parser.add_argument("--metrics-port", type=int, metavar="PORT", help="serve the figures for Prometheus there")

    def handle(self, *args: Any, **options: Any) -> None:
        urls = options["url"] or [f"http://127.0.0.1:{settings.PORT}"]
        rounds, summary = Rounds(Lines(urls)), Summary()
        count = _counter(options["metrics_port"], every=options["every"])
        until = time.monotonic() + options["long"] if options["long"] else None
        try:
            with noticing_signals() as is_stopped:
                while True:
                    next_at = time.monotonic() + options["every"]
                    self._one(rounds, summary, count)
                    is_last = options["once"] or summary.broken
                    if is_last or not _wait(next_at, until, is_stopped):
                        break
        finally:
            rounds.close()
        self.stdout.write("\n".join(summary.lines()))
        if summary.broken:
            raise SystemExit(BROKEN)
        if summary.unknown or not summary.seconds:
            raise SystemExit(UNKNOWN)

    def _one(self, rounds: Rounds, summary: Summary, count: Callable[[Result], None]) -> None:
        result = rounds.run_one()
        summary.add(result)
        count(result)
        self.stdout.write(f"{_now()}  {line_of(result)}")
        self.stdout.flush()
        connection.close()  # a connection that broke would fail in the next round, too


def _counter(port: int | None, *, every: float) -> Callable[[Result], None]:
    """Serve the figures for Prometheus on that port, if there is one. Returns: a function that counts a round."""
    if port is None:
        return lambda _: None
    from prometheus_client import CollectorRegistry, start_http_server

    from zapauth.canary.figures import AGE, Figures

    registry = CollectorRegistry()
    figures = Figures.declare(registry)
    AGE.begin(every)
    registry.register(AGE)
    start_http_server(port, addr="127.0.0.1", registry=registry)
    return figures.add


def _wait(next_at: float, until: float | None, is_stopped: Callable[[], bool]) -> bool:
    """Wait for the next round, which begins at ``next_at``. Returns: False, if there is none."""
    if until is not None and max(next_at, time.monotonic()) >= until:
        return False
    while time.monotonic() < next_at and not is_stopped():
        time.sleep(_LOOK)
    return not is_stopped()


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ArgumentTypeError(f"{text!r} is not a URL such as http://10.0.0.5:8000")
    return text.rstrip("/")


def _time(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,7})([smhd])", text)
    if match is None or not int(match[1]):
        raise ArgumentTypeError(f"{text!r} is not a time such as 5s, 10m or 1h")
    return float(int(match[1]) * _UNITS[match[2]])
