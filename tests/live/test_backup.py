"""A backup is restored with PostgreSQL's own programs. Users who had logged out stay logged out."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.live.installation import Installation, lines_of
from tests.phones import PASSWORD, ZapPhone
from zapauth.local import secrets
from zapauth.local.embedded_postgres import running, socket_folder

SINCE = "2026-01-01T00:00Z"
# Each of these is refused after the restore, for a different reason.
GONE = ("left zap", "left buddy", "changed", "deleted", "disabled", "admin who left")
HERE = ("stays zap", "stays buddy", "admin")


class Story:
    """An installation after a backup and later events, and the facts that the test checks."""

    def __init__(self, installation, folder):
        self.at, self.backup, self.record = installation, folder / "backup", folder / "record"
        self.phones = {}

    def log_everybody_in(self):
        for name in ("stays", "left"):
            self.phones[f"{name} zap"] = self.at.zap_phone(f"{name}_zap")
            self.phones[f"{name} buddy"] = self.at.buddy_phone(f"{name}_buddy")
        for name in ("changed", "deleted", "disabled"):
            self.phones[name] = self.at.zap_phone(name)
        for name in ("admin", "admin who left"):
            user = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_USERNAME": name.replace(" ", "_")}
            made = self.at.manage("createsuperuser", "--noinput", **user)
            assert made.returncode == 0, made.stderr
            self.phones[name] = ZapPhone(self.phones["changed"].send)
            assert self.phones[name].log_in(user["DJANGO_SUPERUSER_USERNAME"]).status == 200

    def let_things_happen(self):
        for name in ("left zap", "left buddy", "admin who left"):
            assert self.phones[name].log_out().status == 200
        changed, deleted = self.phones["changed"], self.phones["deleted"]
        body = {"userId": changed.user_id, "email": f"{changed.username}@example.org", "oldPassword": PASSWORD}
        assert changed.ask("POST", "/v1/changePassword", body | {"newPassword": "new-password-1"}).status == 200
        assert deleted.ask("DELETE", f"/v1/users/{deleted.user_id}", {"password": PASSWORD}).status == 200
        self.at.sql("UPDATE users_user SET is_active = false WHERE username = 'disabled'")

    def accepted(self):
        """Return the phones whose access token or refresh token is accepted."""
        found = {name for name, phone in self.phones.items() if phone.me().status == 200}
        refreshing = {name: phone for name, phone in self.phones.items() if phone.dialect == "zap"}
        return found | {name for name, phone in refreshing.items() if phone.refresh().status == 200}


@pytest.fixture(scope="module")
def story(tmp_path_factory, prepared):
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth-backup-", ignore_cleanup_errors=True) as folder:
        prepared.copy_to(Path(folder))
        yield from _told(Path(folder), tmp_path_factory.mktemp("backups"))


def _told(data, backups):
    told = Story(Installation(data), backups)
    with running(data):
        with told.at.serving(WORKERS="1"):
            told.log_everybody_in()
            told.at.dump(told.backup)
            told.let_things_happen()
            told.record.write_text(told.at.manage("ended", "--since", SINCE, "--json").stdout)
        yield told


def test_a_server_refuses_to_start_on_a_restored_backup_and_says_what_to_do(story):
    story.at.restore(story.backup)
    failed = story.at.try_to_serve()
    assert failed.returncode == 1
    for words in (
        "a backup was restored",
        "manage.py restored --ended FILE",
        "manage.py restored ",
        str(story.at.guard),
    ):
        assert words in failed.stderr
    assert "Traceback" not in failed.stderr


def test_with_the_record_what_had_ended_is_refused_and_everybody_else_stays_logged_in(story):
    story.at.restore(story.backup)
    done = story.at.manage("restored", "--ended", str(story.record))
    assert done.returncode == 0, done.stderr
    with story.at.serving(WORKERS="1"):
        assert story.accepted() == set(HERE)
        # The old password is refused; the deleted and the disabled user stay out.
        for name in ("changed", "deleted", "disabled"):
            assert ZapPhone(story.phones[name].send).log_in(name).status in (400, 401, 403)
        assert ZapPhone(story.phones["left zap"].send).log_in("left_zap").status == 200
    assert story.at.sql("SELECT count(*) FROM users_devicetoken t JOIN users_user u ON u.id = t.user_id"
                        " WHERE u.username IN ('changed', 'deleted', 'disabled')") == "0"  # fmt: skip


def test_without_a_record_everybody_is_refused_and_can_log_in_again(story):
    story.at.restore(story.backup)
    done = story.at.manage("restored", "--reason", "the disk died")
    assert done.returncode == 0, done.stderr
    with story.at.serving(WORKERS="1"):
        assert story.accepted() == set()
        assert ZapPhone(story.phones["stays zap"].send).log_in("stays_zap").status == 200
        again = story.phones["stays buddy"]
        again.app_token = ""
        assert again.log_in("stays_buddy").status == 200
        assert again.me().status == 200
    assert "the disk died" in story.at.sql("SELECT note FROM user_sessions_bulkrun ORDER BY started_at DESC LIMIT 1")


def test_a_server_that_runs_while_a_backup_is_restored_stops_by_itself(story):
    story.at.restore(story.backup)
    assert story.at.manage("restored", "--ended", str(story.record)).returncode == 0
    with story.at.serving(WORKERS="1") as server:
        story.at.restore(story.backup)
        assert server.process.wait(60) == 1
        assert "a backup was restored" in server.log.read_text()
    assert story.at.try_to_serve().returncode == 1


def test_the_record_names_each_of_them(story):
    header, *lines, footer = lines_of(story.record.read_text())
    assert header["record"] == footer["record"] == "zapauth.ended"
    assert footer["count"] == len(lines)
    kinds = {(line["kind"], line["id"]) for line in lines}
    ids = {name: phone.user_id for name, phone in story.phones.items()}
    assert ("user_deleted", ids["deleted"]) in kinds
    assert ("user_disabled", ids["disabled"]) in kinds
    assert ("password_changed", ids["changed"]) in kinds
    assert sum(line["kind"] == "session" and line["reason"] == "logout" for line in lines) == 3


def scripts(folder):
    """The shell scripts in docs/backup.md by name, changed to use the folders of this test."""
    text = (ROOT / "docs/backup.md").read_text()
    blocks = re.findall(r"^```sh\n(#!/bin/sh\n# (\w+\.sh)\b.+?)^```$", text, re.S | re.M)
    paths = {"/backup/": f"{folder}/", "/mnt/elsewhere/": f"{folder}/", "/srv/zapauth": str(ROOT)}
    for text, name in blocks:
        for path, here in {**paths, ".venv/bin/python": sys.executable}.items():
            text = text.replace(path, here)
        yield name, text


def test_the_scripts_of_the_documentation_make_backups_and_records_that_join(story, tmp_path):
    story.at.restore(story.backup)
    assert story.at.manage("restored", "--ended", str(story.record)).returncode == 0
    environ = {
        "SECRET_KEY": secrets.secret_key(story.at.data),
        "SIGNING_KEYS": secrets.signing_keys(story.at.data),
        "DATABASE_URL": f"postgres://postgres@/zapauth?host={socket_folder(story.at.data)}",
        "PATH": f"{story.at.programs}:{os.environ['PATH']}",
    }
    named = dict(scripts(tmp_path))

    def script(name):
        subprocess.run(["sh", "-c", named[name]], env=story.at.environment(**environ), check=True, timeout=60)

    with story.at.serving(WORKERS="1"):
        first, second = story.at.zap_phone("first"), story.at.zap_phone("second")
        script("backup.sh")
        assert first.log_out().status == 200
        script("ended.sh")
        script("backup.sh")
        assert second.log_out().status == 200
        script("ended.sh")
    backup = min(tmp_path.glob("*.dump"))
    records = sorted(tmp_path.glob("*.ended"))
    assert len(records) == 2
    story.at.restore(backup)
    done = story.at.manage("restored", "--ended", "-", stdin="".join(path.read_text() for path in records))
    assert done.returncode == 0, done.stderr
    with story.at.serving(WORKERS="1"):
        assert (first.me().status, second.me().status) == (401, 401)
        assert story.phones["stays zap"].me().status == 200
