"""`manage.py restored`: what it ends, what it keeps, what it refuses, and that a second run is safe."""

import json
from datetime import timedelta

import pytest

from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Mark, Session
from sessions.restore.ended_file import Record, export_record, read_record
from sessions.restore.guard import Seen, read_file, write_file
from sessions.restore.undo import end_undone, find_undone, refuse_undone
from tests.commands.records import everything
from tests.commands.terminal import manage
from tests.commands.test_logout import digest_in
from tests.phones import BuddyPhone, InProcess, ZapPhone
from users.clock import database_now
from users.models import App, DeviceToken, OneTimeCode, OneUseLink, SecurityEvent, User
from users.one_use_links import make_link
from users.record.events import Event
from users.reset_codes import issue_code

HOUR = timedelta(hours=1)
NAMES = ("stays", "left", "changed", "deleted", "disabled")


@pytest.fixture(autouse=True)
def guard(db, settings, tmp_path):
    settings.RESTORE_GUARD = tmp_path / "restore_guard"
    write_file(settings.RESTORE_GUARD, Seen(1000, database_now()))
    return settings.RESTORE_GUARD


@pytest.fixture
def phones(db):
    """Several phones. The mark is a minute old, as if the backup had been made then."""
    found = {name: ZapPhone(InProcess(), device_token=f"push of {name}").sign_up(name) for name in NAMES}
    Mark.objects.update_or_create(pk=1, defaults={"number": 500, "at": database_now() - timedelta(minutes=1)})
    return found | {"buddy": BuddyPhone(InProcess()).sign_up("buddy")}


@pytest.fixture
def record(phones, tmp_path):
    """A record of changes after the backup. This database doesn't have these changes."""
    now = database_now()
    left, users = Session.objects.get(user=phones["left"].user_id), {name: phones[name].user_id for name in NAMES}
    lines = (
        {"kind": "session", "id": str(left.pk), "at": now.isoformat(), "reason": "logout"},
        {"kind": "session", "id": "0192a3b4-c5d6-7e8f-9a0b-000000000000", "at": now.isoformat(), "reason": "idle"},
        {"kind": "user_deleted", "id": users["deleted"], "at": now.isoformat()},
        {"kind": "user_disabled", "id": users["disabled"], "at": None},
        {"kind": "password_changed", "id": users["changed"], "at": now.isoformat()},
    )
    return write_record(tmp_path / "record", lines, since=now - HOUR)


def write_record(path, lines, *, since):
    header = {"record": "zapauth.ended", "version": 1, "since": since.isoformat(), "until": None}
    header["exportedAt"] = database_now().isoformat()
    footer = {"record": "zapauth.ended", "count": len(lines)}
    path.write_text("\n".join(json.dumps(line) for line in (header, *lines, footer)))
    return path


def accepted(phones):
    return {name for name, phone in phones.items() if phone.me().status == 200}


# --- with a record ------------------------------------------------------------------------------


def test_what_the_record_names_is_ended_and_nothing_else(phones, record):
    done = manage("restored --ended", str(record))
    assert done.code == 0, done.err
    assert accepted(phones) == {"stays", "buddy"}
    ended = Session.objects.filter(ended_at__isnull=False)
    assert {session.end_reason for session in ended} == {EndReason.RESTORED}
    assert ended.count() == 4
    run = BulkRun.objects.get()
    assert (run.ended, run.expected, run.finished_at is None) == (4, 4, False)
    assert run.note == "restored from a backup\nsessions: 4, deleted: 1, disabled: 1, passwords: 1, apps: 0"
    assert set(ended.values_list("bulk_run", flat=True)) == {run.pk}
    # They receive no pushes.
    assert set(DeviceToken.objects.exclude(user=None).values_list("user__username", flat=True)) == {"stays"}


def test_users_are_deleted_and_disabled_again_and_a_changed_password_is_gone(phones, record):
    assert manage("restored --ended", str(record)).code == 0
    assert User.objects.get(pk=phones["deleted"].user_id).deleted_at is not None
    assert not User.objects.get(pk=phones["disabled"].user_id).is_active
    assert not User.objects.get(pk=phones["changed"].user_id).has_usable_password()
    for name in ("deleted", "disabled", "changed"):
        assert ZapPhone(InProcess()).log_in(name).status in (400, 401, 403)


def test_the_correction_is_in_the_security_record(phones, record):
    before = SecurityEvent.objects.count()
    assert manage("restored --ended", str(record)).code == 0
    entries = SecurityEvent.objects.order_by("pk")[before:]
    run = str(BulkRun.objects.get().pk)
    assert [(entry.event, entry.user_id, entry.details["run"]) for entry in entries] == [
        (Event.BULK_ORDER, None, run),
        (Event.USER_DELETED, phones["deleted"].user_id, run),
        (Event.USER_DISABLED, phones["disabled"].user_id, run),
        (Event.PASSWORD_CHANGED, phones["changed"].user_id, run),
    ]
    assert all("@" in entry.operator for entry in entries)


def test_an_app_that_was_switched_off_is_off_again(phones, tmp_path):
    off = write_record(
        tmp_path / "off",
        [{"kind": "app_disabled", "id": phones["buddy"].app_id, "at": None}],
        since=database_now() - HOUR,
    )
    assert manage("restored --ended", str(off)).code == 0
    assert accepted(phones) == set(NAMES)
    assert not App.objects.get(pk=phones["buddy"].app_id).is_active


def test_a_second_time_changes_nothing_more_not_even_a_password_that_was_reset_meanwhile(phones, record):
    assert manage("restored --ended", str(record)).code == 0
    User.objects.filter(pk=phones["changed"].user_id).update(password="a new one")
    before = {name: rows for name, rows in everything().items() if name != "BulkRun"}
    done = manage("restored --ended", str(record))
    assert done.code == 0, done.err
    assert "end 0 sessions" in done.out
    assert {name: rows for name, rows in everything().items() if name != "BulkRun"} == before


def test_a_password_that_was_changed_before_the_backup_is_kept(phones, record, tmp_path):
    User.objects.filter(pk=phones["stays"].user_id).update(password=User.objects.get(username="stays").password + " ")
    changed_at = User.objects.get(username="stays").password_changed_at
    line = {"kind": "password_changed", "id": phones["stays"].user_id, "at": changed_at.isoformat()}
    kept = write_record(tmp_path / "kept", [line], since=database_now() - HOUR)
    assert manage("restored --ended", str(kept)).code == 0
    assert "stays" in accepted(phones)


def test_the_same_command_resumes_an_interrupted_correction(phones, record):
    found = read_record(record.read_text().splitlines(keepends=True))
    undone = find_undone(found)
    begun = refuse_undone(undone, found, note="first", operator="me")
    # The cut-off refuses everything now, except the session that ends in a batch. No server can start yet.
    assert accepted(phones) == {"stays", "buddy", "left"}
    done = manage("restored --ended", str(record))
    assert done.code == 0, done.err
    assert accepted(phones) == {"stays", "buddy"}
    run = BulkRun.objects.get()
    assert (run.pk, run.ended) == (begun.pk, 4)
    assert Session.objects.filter(ended_at=None, user__username="changed").count() == 0


def test_a_dry_run_shows_what_it_would_do_and_changes_nothing(phones, record, guard):
    before, file = everything(), guard.read_bytes()
    done = manage("restored --dry-run --ended", str(record))
    assert done.code == 0
    assert "would end 4 sessions" in done.out
    assert "would delete 1 users, disable 1" in done.out
    assert everything() == before
    assert (Mark.objects.get().number, guard.read_bytes()) == (500, file)


def test_it_prints_for_which_time_endings_are_missing_and_what_stays_as_in_the_backup(phones, record, guard):
    said = manage("restored --ended", str(record)).err
    exported = read_record(record.read_text().splitlines()).exported_at
    assert f"The record ends at {exported:%Y-%m-%d %H:%M:%S} UTC" in said
    assert f"{read_file(guard).at:%Y-%m-%d %H:%M:%S} UTC, when this server was up last" in said
    assert "permissions and app keys are as in the backup. So are other passwords" in said


def test_it_says_how_many_users_can_not_reset_their_password_by_mail(phones, record):
    User.objects.filter(username="changed").update(email=None)
    assert "1 of the users whose password was removed have no email" in manage("restored --ended", str(record)).err


REFUSED = {
    "cut off": lambda text: text.rpartition("\n")[0],
    "without a header": lambda text: text.partition("\n")[2],
    "empty": lambda _: "",
    "no text": lambda _: "\udcff",
}


@pytest.mark.parametrize("spoil", REFUSED.values(), ids=REFUSED)
def test_an_incomplete_record_is_refused_and_nothing_changes(phones, record, spoil):
    record.write_bytes(spoil(record.read_text()).encode(errors="surrogateescape"))
    before = everything()
    done = manage("restored --ended", str(record))
    assert done.code == 2
    assert "Nothing was changed" in done.err
    assert everything() == before
    assert Mark.objects.get().number == 500


def test_a_record_that_begins_after_the_backup_is_refused_with_both_times(phones, tmp_path):
    since = database_now()
    late = write_record(tmp_path / "late", [], since=since)
    before = everything()
    done = manage("restored --ended", str(late))
    assert done.code == 2
    assert f"begins at {since:%Y-%m-%d %H:%M:%S} UTC" in done.err
    assert f"the backup was made at {Mark.objects.get().at:%Y-%m-%d %H:%M:%S} UTC" in done.err
    assert everything() == before


def test_a_backup_that_does_not_say_when_it_was_made_is_refused(phones, record):
    Mark.objects.all().delete()
    done = manage("restored --ended", str(record))
    assert done.code == 2
    assert "does not say when it was made" in done.err
    assert accepted(phones) == {*NAMES, "buddy"}


def test_a_file_that_is_not_there_is_an_error(phones):
    done = manage("restored --ended nowhere")
    assert (done.code, "nowhere" in done.err) == (2, True)


def test_what_ended_exports_is_what_restored_takes(phones, tmp_path):
    assert phones["left"].log_out().status == 200
    lines = export_record(since=database_now() - HOUR)
    (tmp_path / "record").write_text("\n".join(json.dumps(line) for line in lines))
    Session.objects.update(ended_at=None, end_reason="")
    done = manage("restored --json --ended", str(tmp_path / "record"))
    assert done.code == 0, done.err
    assert accepted(phones) == {*NAMES, "buddy"} - {"left"}
    assert {"dryRun": False, "sessions": 1, "deleted": 0, "disabled": 0, "passwords": 0, "apps": 0} in done.json
    assert done.json[-1] == {"mark": Mark.objects.get().number}


def test_many_sessions_are_ended_in_batches_each_counted(db, monkeypatch):
    monkeypatch.setattr("sessions.restore.undo.BATCH", 7)
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    now = database_now()
    some = set(Session.objects.filter(ended_at=None).values_list("pk", flat=True)[:30])
    record = Record(since=now, exported_at=now, digest="0", sessions=some)
    undone = find_undone(record)
    run = refuse_undone(undone, record, note="", operator="")
    assert list(end_undone(undone, run)) == [7, 14, 21, 28, 30]
    assert set(Session.objects.filter(bulk_run=run).values_list("pk", flat=True)) == some


# --- without ------------------------------------------------------------------------------------


def test_without_a_record_everybody_is_logged_out_and_can_log_in_again(phones):
    done = manage("restored --reason 'the disk died'")
    assert done.code == 0, done.err
    assert accepted(phones) == set()
    assert phones["stays"].log_in("stays").status == 200
    assert phones["stays"].me().status == 200
    run = BulkRun.objects.get()
    assert run.note == "restored from a backup: the disk died"
    assert set(Session.objects.filter(bulk_run=run).values_list("end_reason", flat=True)) == {EndReason.RESTORED}
    assert App.objects.filter(session_epoch=0).count() == 0


def test_many_sessions_need_a_confirmation(phones, settings):
    settings.BULK_CONFIRM_OVER = 3
    before = everything()
    refused = manage("restored")
    assert refused.code == 3
    preview = manage("restored --dry-run")
    assert "Would end" in preview.out
    assert everything() == before
    assert Mark.objects.get().number == 500
    assert manage(f"restored --confirm {digest_in(preview)}").code == 0
    assert accepted(phones) == set()


def test_an_empty_database_only_gets_its_mark(db):
    done = manage("restored")
    assert (done.code, "No session is open" in done.out) == (0, True)
    assert Mark.objects.get().number > 1000
    assert not BulkRun.objects.exists()


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [True, False])
def test_the_mark_is_above_the_file_and_no_code_of_the_backup_works(phones, record, guard, ended):
    user = User.objects.get(username="stays")
    issue_code(user)
    make_link(user, purpose=OneUseLink.Purpose.NOT_ME, address="stays@example.org")
    assert manage("restored", *(["--ended", str(record)] if ended else [])).code == 0
    assert Mark.objects.get().number > read_file(guard).number
    assert not OneTimeCode.objects.exists()
    assert not OneUseLink.objects.exists()


def test_a_machine_without_a_file_of_a_server_is_told(phones, guard):
    guard.unlink()
    done = manage("restored")
    assert done.code == 0
    assert "This machine has no file of a server" in done.err


def test_a_file_that_can_not_be_read_does_not_stop_the_command(phones, guard):
    guard.write_text("")
    done = manage("restored")
    assert (done.code, "can't be read" in done.err) == (0, True)


def test_a_backup_with_older_tables_has_to_be_migrated_first(phones, monkeypatch):
    monkeypatch.setattr("django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_: ["one"])
    done = manage("restored")
    assert (done.code, "manage.py migrate" in done.err) == (2, True)
    assert accepted(phones) == {*NAMES, "buddy"}
