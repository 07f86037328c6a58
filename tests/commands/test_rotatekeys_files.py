"""`manage.py rotatekeys`: where the keys go, and who can read them."""

import os
import re
import stat

import pytest

from sessions.rotation.ring import in_one_line, kids_in, kids_that_can_sign
from sessions.tokens.keys import key_ring, new_private_key_pem
from tests.commands.key_files import PRIVATE, Environment
from tests.commands.terminal import manage
from users.models import SecurityEvent


@pytest.fixture
def here(settings, tmp_path, db):
    return Environment(settings, tmp_path / "env")


def test_without_a_file_the_command_says_what_it_needs(here):
    done = manage("rotatekeys add")
    assert (done.code, "--env-file FILE, or --print" in done.err) == (2, True)
    assert manage("rotatekeys add --print --env-file x").code == 2


def test_the_new_value_is_printed_only_on_request_and_changes_no_file(here):
    text = here.path.read_text()
    done = manage("rotatekeys add --print")
    (line,) = done.out.splitlines()
    assert here.path.read_text() == text
    assert PRIVATE not in done.err
    (value,) = re.findall("^SIGNING_KEYS='(.+)'$", line)
    assert kids_in(value)[0] == here.kids[0]
    assert len(kids_that_can_sign(value)) == 2


def test_the_other_lines_the_owner_and_the_mode_of_the_file_stay(here):
    owner = (1234, 1235) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(here.path, *owner)
    here.path.chmod(0o644)
    here.rotate("add")
    lines = here.path.read_text().splitlines()
    assert [lines[0], lines[2], len(lines)] == ["WORKERS=2", "PORT=8000", 3]
    found = here.path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*owner, 0o640)
    assert os.listdir(here.path.parent) == [here.path.name]


def test_a_local_installation_has_its_keys_in_a_file_of_its_own(here, settings, tmp_path):
    settings.SIGNING_KEYS_FILE = file = tmp_path / "signing_keys.pem"
    file.write_text(settings.SIGNING_KEYS.replace("\\n", "\n"))
    done = manage("rotatekeys add")
    assert (done.code, PRIVATE in done.out + done.err) == (0, False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(key_ring(file.read_text()).verifying) == 2


BROKEN = {
    "another environment": (f"SIGNING_KEYS='{in_one_line(new_private_key_pem())}'\n", "Load the file again"),
    "no such line": ("PORT=8000\n", "has no lines SIGNING_KEYS="),
    "two such lines": ("SIGNING_KEYS=a\nSIGNING_KEYS=b\n", "has 2 lines SIGNING_KEYS="),
    "several lines": (f"SIGNING_KEYS='{new_private_key_pem()}'\n", "Write all keys in one line"),
    "no text": ("\udcff", "it is not UTF-8"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_not_understood_stays_as_it_is(here, what):
    text, why = BROKEN[what]
    here.path.write_bytes(text.encode(errors="surrogateescape"))
    done = manage("rotatekeys add --env-file", str(here.path))
    assert (done.code, why in done.err, "Nothing was changed" in done.err) == (1, True, True), done
    assert here.path.read_bytes() == text.encode(errors="surrogateescape")
    assert not SecurityEvent.objects.filter(event="signing_keys_changed").exists()


def test_a_folder_that_can_not_be_written_changes_nothing(here, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    text = here.path.read_text()
    monkeypatch.setattr("sessions.rotation.places.os.replace", fail)
    done = here.rotate("add")
    assert (done.code, "Permission denied" in done.err) == (1, True)
    assert (here.path.read_text(), os.listdir(here.path.parent)) == (text, [here.path.name])
    assert not SecurityEvent.objects.filter(event="signing_keys_changed").exists()
