"""`python -m tests.upgrade.observed APP=MIGRATION … all`: `manage.py migrate`, and a line of JSON about each migration.

It goes to each target in turn, in one process. `all` makes every migration.

Each line has the migration's name, the strong locks that it held at its end on tables of before, and which of these
tables it has read or rewritten meanwhile.
"""

import json
import os
import sys
import time
from typing import Any

import django

# These keep others from writing, and the last one from reading.
STRONG = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_TABLES = """
SELECT c.relname, pg_relation_filenode(c.oid), COALESCE(s.seq_tup_read, 0) + COALESCE(s.idx_tup_fetch, 0)
  FROM pg_class c LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
_LOCKS = """
SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind = 'r' AND l.mode = ANY(%s) ORDER BY 1, 2
"""


def _ask(connection: Any, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def _observe() -> None:
    """Make each migration write a line before its transaction ends."""
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.migration import Migration

    applied, leave = Migration.apply, BaseDatabaseSchemaEditor.__exit__
    execute = BaseDatabaseSchemaEditor.execute

    def apply(self: Any, state: Any, editor: Any, collect_sql: bool = False) -> Any:
        editor.told = {"name": f"{self.app_label}.{self.name}", "statements": []}
        editor.before = {table: (node, read) for table, node, read in _ask(editor.connection, _TABLES)}
        return applied(self, state, editor, collect_sql)

    def note(self: Any, sql: Any, params: Any = ()) -> Any:
        if hasattr(self, "told"):
            self.told["statements"].append(str(sql))
            self.first = getattr(self, "first", time.monotonic())
            self.first_cpu = getattr(self, "first_cpu", time.process_time())
        return execute(self, sql, params)

    def exit_(self: Any, kind: Any, *error: Any) -> Any:
        if kind is None and hasattr(self, "told"):
            for sql in self.deferred_sql:
                self.execute(sql, None)
            self.deferred_sql.clear()
            if hasattr(self, "first"):
                self.told |= {"cpu": time.process_time() - self.first_cpu, "held": time.monotonic() - self.first}
            print(json.dumps(self.told | _facts(self)), flush=True)
        return leave(self, kind, *error)

    Migration.apply = apply  # type: ignore[method-assign]
    BaseDatabaseSchemaEditor.execute = note  # type: ignore[method-assign]
    BaseDatabaseSchemaEditor.__exit__ = exit_  # type: ignore[method-assign]


def _facts(editor: Any) -> dict[str, Any]:
    before = editor.before
    now = {table: (node, read) for table, node, read in _ask(editor.connection, _TABLES)}
    locks = [lock for lock in _ask(editor.connection, _LOCKS, list(STRONG)) if lock[0] in before]
    changed = [
        table
        for table, (node, read) in before.items()
        if table in now and (now[table][0] != node or now[table][1] > read)
    ]
    return {"is_atomic": editor.atomic_migration, "locks": locks, "rows_read": changed}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")
    django.setup()
    from django.core.management import call_command

    from users.database_use import Use, set_use
    from zapauth.local.embedded_postgres import running
    from zapauth.migrating import migrate_patiently

    _observe()
    set_use(Use.MIGRATION)
    with running():
        for target in sys.argv[1:]:
            words = [] if target == "all" else target.split("=")
            migrate_patiently(lambda words=words: call_command("migrate", *words, verbosity=0, interactive=False))
    sys.exit(0)
