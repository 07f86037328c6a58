"""Build and drop indexes of large tables in a migration, without holding up anybody who writes to the table."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import DataError

# While an index is built, or waited for: no limit for the wait. And if this process is killed, PostgreSQL ends the
# statement within seconds, so that the next process need not wait for it. It does so on Linux, macOS and the BSDs.
_SETTINGS = {"lock_timeout": "0", "client_connection_check_interval": "2s"}


class BuildIndex(AddIndexConcurrently):
    """`AddIndexConcurrently` that can be repeated after it was interrupted, and waits as long as it has to.

    It waits for the transactions that are open. Nobody waits behind it, so it has no limit.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _waiting(schema_editor):
            # An interrupted one is left behind, and is invalid.
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _waiting(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class DropIndex(RemoveIndexConcurrently):
    """`RemoveIndexConcurrently` that can be repeated after it was interrupted, and waits as long as it has to."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _waiting(schema_editor):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.name)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _waiting(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def _waiting(schema_editor: Any) -> Iterator[None]:
    before = {name: _current(schema_editor, name) for name in _SETTINGS}
    _set(schema_editor, _SETTINGS)
    try:
        yield
    finally:
        _set(schema_editor, before)


def _current(schema_editor: Any, name: str) -> str:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        (value,) = cursor.fetchone()
        return str(value)


def _set(schema_editor: Any, values: dict[str, str]) -> None:
    for name, value in values.items():
        with suppress(DataError), schema_editor.connection.cursor() as cursor:  # not every system can check connections
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
