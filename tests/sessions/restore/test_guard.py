"""The restore guard: a mark in the database and a copy beside each server. It acts when the two differ."""

import json
import logging
import os
import signal
import stat
from datetime import timedelta

import psycopg
import pytest

from sessions.models import Mark
from sessions.restore.guard import (
    AGAIN,
    EVERY,
    CannotBeServed,
    RestoreGuard,
    Watcher,
    mark,
    note_pruned,
    read_file,
    set_mark_above,
)
from users.clock import database_now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(tmp_path):
    Mark.objects.all().delete()
    return tmp_path / "restore_guard"


def started(path):
    guard = RestoreGuard(path)
    guard.start()
    guard.count()
    return guard


def restore(number):
    """Set the mark back, as a restored backup does."""
    Mark.objects.update(number=number)


def test_a_first_start_makes_a_file_that_only_its_owner_reads(path):
    started(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_file(path).number == mark().number == 1
    assert read_file(path).at == mark().at


def test_each_start_and_each_count_goes_one_up_in_the_database_and_in_the_file(path):
    started(path)
    started(path).count()
    assert read_file(path).number == mark().number == 3
    assert os.listdir(path.parent) == [path.name]


def test_a_database_that_is_older_than_the_file_is_not_served_and_not_changed(path):
    started(path).count()
    restore(1)
    with pytest.raises(CannotBeServed) as refused:
        started(path)
    for words in ("a backup was restored", "mark 1 of", "mark 2 of", "manage.py restored --ended FILE"):
        assert words in str(refused.value)
    assert mark().number == 1
    assert read_file(path).number == 2


def test_an_empty_database_beside_a_file_is_not_served(path):
    started(path)
    Mark.objects.all().delete()
    with pytest.raises(CannotBeServed, match="The database has no mark"):
        started(path)
    assert mark() is None


def test_a_running_server_notices_too(path):
    guard = started(path)
    guard.count()
    restore(1)
    with pytest.raises(CannotBeServed):
        guard.count()


def test_a_file_that_is_behind_is_served_for_the_database_is_counted_first(path):
    started(path)
    restore(40)
    started(path)
    assert read_file(path).number == 41


def test_several_servers_with_a_file_each_count_one_mark(path):
    tmp_path = path.parent
    first, second = started(tmp_path / "first"), started(tmp_path / "second")
    for guard in (first, first, second, first):
        guard.count()
    assert (read_file(tmp_path / "first").number, read_file(tmp_path / "second").number) == (6, 5)
    restore(5)
    second.count()
    restore(5)
    with pytest.raises(CannotBeServed):
        first.count()


WRONG = {
    "empty": b"",
    "no JSON": b"12",
    "binary": b"\xff\x00",
    "half": b'{"number": 1',
    "no time": b'{"number": 1}',
    "a number in words": b'{"number": "1", "at": "2026-01-01T00:00:00+00:00"}',
    "a time without a zone": b'{"number": 1, "at": "2026-01-01T00:00:00"}',
    "true": b'{"number": true, "at": "2026-01-01T00:00:00+00:00"}',
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_file_that_is_not_what_a_server_wrote_is_an_error_that_names_it(path, content):
    path.write_bytes(content)
    with pytest.raises(CannotBeServed, match="can't be read: it is not what a server wrote"):
        started(path)
    assert mark() is None
    assert path.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_an_error(path):
    path.mkdir()
    with pytest.raises(CannotBeServed, match="can't be read: Is a directory"):
        started(path)


def test_a_file_that_can_not_be_written_is_a_warning_once(path, caplog):
    guard = started(path / "no such folder" / "file")
    guard.count()
    (warning,) = (record.message for record in caplog.records if record.levelno == logging.WARNING)
    assert "can't be written: No such file or directory. The next start will not notice" in warning
    restore(1)
    with pytest.raises(CannotBeServed):  # the process remembers the mark from its first check
        guard.count()


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    guard = started(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    guard.count()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_switched_off_it_compares_and_counts_nothing(path):
    guard = started(None)
    guard.count()
    assert mark() is None


def test_a_new_file_on_a_database_that_was_served_before_is_told(path, caplog):
    started(path)
    path.unlink()
    started(path)
    assert "is new: a backup restored before this start is not noticed here" in caplog.text


def test_after_the_mark_was_set_every_server_starts_again_even_after_a_second_restore(path):
    paths = [path.with_name("first"), path.with_name("second")]
    for path in (*paths, paths[1]):
        started(path)
    for _ in range(2):
        restore(1)
        for path in paths:
            if read_file(path).number > 1:
                with pytest.raises(CannotBeServed):
                    started(path)
        set_mark_above(read_file(paths[0]))
        for path in paths:
            started(path)


def test_the_mark_of_a_prune_only_moves_on_and_is_no_mark_of_a_server(path):
    later = database_now()
    note_pruned(later)
    note_pruned(later.replace(year=2020))
    assert Mark.objects.get().pruned_before == later
    assert mark() is None
    started(path)
    assert Mark.objects.get().pruned_before == later


def test_the_mark_is_on_the_disk_before_the_file_says_it(path, monkeypatch):
    said = []
    monkeypatch.setattr(psycopg.Connection, "commit", lambda link: said.append(_setting(link)) or _COMMIT(link))
    started(path)
    assert said == ["on"]


_COMMIT = psycopg.Connection.commit


def _setting(link):
    return link.execute("SHOW synchronous_commit").fetchone()[0]


class Away:
    def count(self):
        raise psycopg.OperationalError("connection refused")


def test_while_the_database_is_away_the_watcher_only_tries_again():
    watcher = Watcher(Away())
    assert watcher._count() == AGAIN < EVERY
    assert watcher.restored is None


def test_that_the_mark_is_not_counted_is_said_once_for_each_time_that_it_fails(path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "zapauth.sessions")
    guard = started(path)
    watcher = Watcher(guard)
    for _ in range(2):
        with monkeypatch.context() as away:
            away.setattr(guard, "count", Away().count)
            watcher._count()
            watcher._count()
        watcher._count()
        watcher._count()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2
    assert "a restored backup is not noticed" in caplog.text


def test_the_watcher_counts_once_more_when_it_is_stopped(path):
    watcher = Watcher(started(path))
    watcher.start()
    watcher.stop()
    assert not watcher.is_alive()
    assert watcher.restored is None
    assert read_file(path).number == mark().number > 1


def test_a_start_writes_nothing_so_that_it_waits_for_no_replica(path):
    RestoreGuard(path).start()
    assert mark() is None
    assert not path.exists()


def test_the_watcher_interrupts_the_process_when_a_backup_was_restored(path, monkeypatch):
    interrupted = []
    monkeypatch.setattr("sessions.restore.guard.EVERY", timedelta(0))
    monkeypatch.setattr(os, "kill", lambda *call: interrupted.append(call))
    guard = started(path)
    guard.count()
    restore(1)
    watcher = Watcher(guard)
    watcher.start()
    watcher.join(20)
    assert interrupted == [(os.getpid(), signal.SIGINT)]
    assert "a backup was restored" in str(watcher.restored)
    assert json.loads(path.read_text())["number"] == 2
