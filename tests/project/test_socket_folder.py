"""The folder of the embedded PostgreSQL's socket in the temporary folder, where anybody can make folders."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from zapauth.local.embedded_postgres import EmbeddedPostgresError, _Server


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server of a data folder whose path is too long for a socket."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = tmp_path / ("long" * 25)
    data.mkdir()
    made = _Server(data)
    assert made.sockets.parent == temporary
    return made


def facts(path):
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def test_the_folder_is_made_so_that_only_its_owner_enters_it_and_is_taken_over_the_next_time(server):
    for _ in range(2):
        server._prepare_folders()
        owner = server.owner.pw_uid if server.owner else os.geteuid()
        for folder in (server.sockets, server.folder):
            assert facts(folder)[:2] == (0o700, owner)


def test_a_link_in_its_place_is_refused_and_what_it_leads_to_stays_as_it_is(server, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    before = facts(elsewhere)
    server.sockets.symlink_to(elsewhere)
    with pytest.raises(EmbeddedPostgresError, match=r"is a link or no folder\. Delete it, or name a shorter DATA_DIR"):
        server._prepare_folders()
    assert facts(elsewhere) == before


def test_a_file_in_its_place_is_refused(server):
    server.sockets.write_text("")
    with pytest.raises(EmbeddedPostgresError, match="is a link or no folder"):
        server._prepare_folders()


def test_a_folder_that_another_user_made_is_refused_and_stays_theirs(server, tmp_path):
    if os.geteuid() == 0:
        server.sockets.mkdir(mode=0o755)
        os.chown(server.sockets, 12345, 12345)
    else:
        server.sockets = Path("/")  # root owns it
    before = facts(server.sockets)
    with pytest.raises(EmbeddedPostgresError, match=r"belongs to another user\. Delete it"):
        server._prepare_folders()
    assert facts(server.sockets) == before


def test_a_data_folder_may_lie_elsewhere_by_a_link(server, tmp_path):
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    server.folder.symlink_to(elsewhere)
    server._prepare_folders()
    assert facts(elsewhere)[0] == 0o700
