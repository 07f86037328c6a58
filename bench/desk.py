"""`python -m bench.desk`, or `make desk`: the time of each page of staff and of people, with 1.25 million sessions.

It makes 200,000 users with a million live and 250,000 ended sessions, starts the server, logs in, and asks for each
page in turns. It prints a table, and exits with 1 if a page takes longer than its limit. docs/admin.md explains it.
"""

import argparse
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.database import Database, running_database
from bench.desk_pages import Page, pages
from bench.desk_tasks import Done, do_tasks
from bench.projects import DEFAULT, Project
from bench.report import put_after
from bench.rounds import say
from bench.serving import ROOT, run_python
from bench.tables import table
from bench.visitor import Visitor

USERS, LIVE = 200_000, 1_000_000
NAME, PASSWORD = "desk", "a-long-password-of-the-desk"
DOCUMENT = ROOT / "docs" / "admin.md"
MARKER = "<!-- made by make desk -->"
# Staff without a second factor may log in, so that the bench needs none.
_SETTINGS = {"STAFF_SECOND_FACTOR": "off"}

Times = dict[Page, list[float]]  # in seconds


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and PostgreSQL are stopped
    with (
        tempfile.TemporaryDirectory(prefix="zapauth-desk-") as temporary,
        running_database((options.data or Path(temporary)).resolve()) as database,
    ):
        times, sizes, tasks = _measure(database, options)
    made = _tables(times, sizes, tasks, options)
    print(made)
    if options.report:
        DOCUMENT.write_text(put_after(MARKER, DOCUMENT.read_text(), made))
    slow = [page for page, taken in times.items() if max(taken) > page.limit_s]
    for page in slow:
        print(f"MISSED {page.name}: {max(times[page]):.2f} s, at most {page.limit_s:g}", file=sys.stderr)
    return 1 if slow else 0


def _measure(database: Database, options: argparse.Namespace) -> tuple[Times, dict[Page, float], dict[str, Done]]:
    times: Times = defaultdict(list)
    sizes: dict[Page, float] = {}
    with _desk(database, options) as project, project.serve(database) as server:
        visitor = Visitor(f"http://127.0.0.1:{server.port}")
        visitor.log_in("/admin/login/", username=NAME, password=PASSWORD)
        visitor.log_in("/account/login/", username=NAME, password=PASSWORD)
        database.wait_for_sweeps()
        asked = list(pages(visitor))
        for number in range(options.rounds + 1):
            for page in asked:
                answer = page.ask(visitor)
                if answer.status != 200:
                    raise RuntimeError(f"{page.name}: {answer.status} from {answer.url}\n{answer.text[:2000]}")
                if number:  # the first round fills caches
                    times[page].append(answer.seconds)
                    sizes[page] = answer.kilobytes
            say(f"The desk, round {number} of {options.rounds}")
        tasks = dict(do_tasks(visitor.address, username=NAME, password=PASSWORD))
    return times, sizes, tasks


@contextmanager
def _desk(database: Database, options: argparse.Namespace) -> Iterator[Project]:
    """Yield a project with a copy of the large database, in which the member of staff has an account."""
    template = replace(DEFAULT, database=f"desk_{options.users}_{options.sessions}", extra=_SETTINGS)
    if not database.exists(template.database):
        say(f"making {options.users:,} users with {options.sessions:,} live sessions")
        draft = replace(template, database="draft")
        database.drop(draft.database)
        draft.migrate(database)
        numbers = ("--users", str(options.users), "--sessions", str(options.sessions))
        run_python("manage.py", "demo", *numbers, given=draft.environment(database))
        database.rename(draft.database, template.database)
    template.migrate(database)
    database.tidy(template.database)
    with database.copy(template.database, "desk") as name:
        project = replace(template, database=name)
        account = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        named = ("--username", NAME, "--email", "desk@example.org")
        run_python("manage.py", "createsuperuser", "--noinput", *named, given=project.environment(database) | account)
        yield project


def _tables(times: Times, sizes: dict[Page, float], tasks: dict[str, Done], options: argparse.Namespace) -> str:
    rows = [
        [
            page.name,
            f"{1000 * statistics.median(taken):.0f}",
            f"{1000 * max(taken):.0f}",
            f"{1000 * page.limit_s:.0f}",
            f"{sizes[page]:.0f}",
        ]
        for page, taken in times.items()
    ]
    total = options.sessions * 5 // 4
    head = f"{options.users:,} users and {total:,} sessions, {options.rounds} requests of each page:"
    done = [[name, str(each.clicks), f"{each.seconds:.1f}", f"{each.slowest_ms:.0f}"] for name, each in tasks.items()]
    return "\n\n".join(
        [
            head,
            table(["page", "median ms", "worst ms", "at most", "kB"], rows),
            "Tasks, in a real browser, by a script that neither reads nor thinks:",
            table(["task", "clicks", "seconds", "slowest page, ms"], done),
        ]
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.desk", description="Measure the pages of the admin.")
    parser.add_argument("--users", type=_number, default=USERS, metavar="N", help=f"how many users ({USERS:,})")
    parser.add_argument("--sessions", type=_number, default=LIVE, metavar="N", help=f"live sessions ({LIVE:,})")
    parser.add_argument("--rounds", type=_number, default=7, metavar="N", help="requests of each page (7)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the database in DIR for the next run")
    parser.add_argument("--report", action="store_true", help="write the table into docs/admin.md")
    return parser.parse_args(arguments)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
