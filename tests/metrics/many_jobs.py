"""`python -m tests.metrics.many_jobs`: what a scrape costs while very many jobs wait. Not part of the suite."""

import argparse
import os
import tempfile
import time
from typing import Any

# A mail's arguments are kept apart from its row (TOAST), so the rows here are short, too.
# A tenth of the jobs was tried before: half of these may be tried again now. Every third job is urgent.
_JOBS = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, attempts, scheduled_at)
SELECT CASE WHEN n %% 5 = 0 THEN 'other' ELSE 'mail' END, 'send_news', (n %% 3 = 0)::int,
       jsonb_build_object('sealed', md5(n::text)),
       (n %% 10 = 0)::int,
       CASE WHEN n %% 20 = 0 THEN now() - interval '1 minute' WHEN n %% 10 = 0 THEN now() + interval '1 minute' END
  FROM generate_series(1, %s) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zapauth-jobs-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "zapauth.settings", "LOG_LEVEL": "ERROR"}
        import django

        django.setup()
        from zapauth.local.embedded_postgres import running

        with running():
            _measure(options.jobs)


def _measure(jobs: int) -> None:
    from django.core.management import call_command
    from django.db import connection, connections

    from users.database_use import Use, set_use

    call_command("migrate", verbosity=0)
    connections.close_all()  # an open connection keeps its time limits
    set_use(Use.COMMAND)
    with connection.cursor() as cursor:
        # As right after an incident: nothing has counted the rows yet.
        cursor.execute("ALTER TABLE procrastinate_jobs SET (autovacuum_enabled = off)")
        cursor.execute("ALTER TABLE procrastinate_events SET (autovacuum_enabled = off)")
        cursor.execute(_JOBS, [jobs])
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '2 minutes'")
    connections.close_all()
    _scrape("never analysed")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE procrastinate_jobs, procrastinate_events")
    connections.close_all()
    _scrape("analysed")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id %% 50 <> 0", [])
    connections.close_all()
    _scrape("most are done, and not vacuumed")


def _scrape(when: str) -> None:
    from zapauth.metrics.database import DatabaseFigures

    seconds, found = [], dict[Any, float]()
    for _ in range(5):
        begun = time.perf_counter()
        families = list(DatabaseFigures().collect())
        seconds.append(time.perf_counter() - begun)
        found = {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}
    print(f"{when}: the first scrape took {seconds[0]:.3f} s, the fastest of the others {min(seconds[1:]):.3f} s")
    for name, value in found.items():
        if "queue" in name[0] or "_up" in name[0] or "missing" in name[0]:
            print("   ", *name, value)


if __name__ == "__main__":
    main()
