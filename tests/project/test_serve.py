"""`make run` from a user's view: what it starts, prints, keeps and stops. Each test has its own data folder."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.environment import ROOT, SETTINGS_NAMES
from tests.log_secrets import check_output
from tests.servers import MAY_SERVE, RunningServer, free_port, ping, wait_until_it_listens
from tests.waiting import wait_until
from zapauth.local.embedded_postgres import EmbeddedPostgresError, _only_one, _Server
from zapauth.local.postgres_watch import PostgresWatch

ONE = {"WORKERS": "1"}  # to start a worker takes a second of processor time


@contextmanager
def new_folder():
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth serve ", ignore_cleanup_errors=True) as folder:
        # The path has a blank and is too long for the name of a Unix socket.
        yield Path(folder) / ("long" * 25)


@pytest.fixture
def data():
    with new_folder() as folder:
        yield folder


@pytest.fixture
def migrated(data, prepared):
    """A data folder whose database has all migrations, and nothing else."""
    prepared.copy_to(data)
    return data


def environment(data, **more):
    ours = SETTINGS_NAMES | {"DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"DATA_DIR": str(data)} | more


def run(*arguments, data, **more):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(data, **more),
        capture_output=True,
        text=True,
        timeout=60,
    )


def production(settings):
    """Valid settings for a server. Only the database does not exist."""
    url = f"postgres://u@127.0.0.1:{free_port()}/none"
    return MAY_SERVE | {
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "SIGNING_KEYS": settings.SIGNING_KEYS,
    }


@contextmanager
def serving(data, tmp_path, **more):
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "zapauth.serve", "--demo"],
            cwd=ROOT,
            env=environment(data, PORT=str(port), **more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = RunningServer(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until_it_listens(server)
        yield server
    finally:
        # As in a terminal: Ctrl-C goes to all processes of the group, including the workers.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    # The text for the operator has the demo's secrets in it. The log has none.
    check_output("\n".join(line for line in log.read_text().splitlines() if re.match(r"\d{4}-\d\d-\d\d ", line)))


@dataclass
class Shared:
    """A server for tests that leave it as it is."""

    data: Path
    server: RunningServer
    first: int | None  # the status of its answer to the first request


@pytest.fixture(scope="module")
def shared(prepared, tmp_path_factory):
    with new_folder() as data:
        prepared.copy_to(data)
        with serving(data, tmp_path_factory.mktemp("shared"), **ONE) as server:
            yield Shared(data, server, first=ping(server))


def processes_of(data):
    """Return the processes that use that data folder, including PostgreSQL."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(data) in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


def printed_examples(text):
    """Return the two blocks of commands that the server prints at its start. Each ends at an empty line."""
    return re.findall(r"dialect:\n\n(.+?)\n\n", text + "\n", re.DOTALL)


def test_the_first_start_prints_examples_that_work_and_ctrl_c_stops_everything(data, tmp_path):
    with serving(data, tmp_path) as server:
        zap, buddy = (
            subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60).stdout
            for lines in printed_examples(server.log.read_text())
        )
        assert len(server.workers()) == 2
        assert processes_of(data)
    assert '{"success":true,"data":"Logout Successfull"}' in zap
    assert '"code":"session_ended"' in zap
    assert '"accessTokenExpires":"/Date(' in buddy
    assert '"error":"AuthAccessTokenInvalid"' in buddy
    assert server.process.returncode == 0
    assert "refused to gracefully stop" not in server.log.read_text()
    assert processes_of(data) == []


def test_a_server_that_says_that_it_listens_answers_the_first_request(shared):
    assert shared.first == 200


def test_a_second_start_keeps_the_data_and_says_so_but_shows_no_secret_again(migrated, tmp_path):
    with serving(migrated, tmp_path, **ONE) as server:
        first = server.log.read_text()
    with serving(migrated, tmp_path, **ONE) as server:
        second = server.log.read_text()
    app_id, app_key, password = (re.search(rf"{name} +(\S+)", first)[1] for name in ("App id", "App key", "Password"))
    assert "new:" in first
    assert "kept from before: 1 users, 0 open sessions" in second
    assert app_id in second
    assert app_key not in second
    assert password not in second
    for name in ("secret_key", "signing_keys.pem"):
        assert (migrated / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["everything", "the heads only"])
def test_a_start_after_kill_9_works(migrated, tmp_path, what):
    with serving(migrated, tmp_path) as server:
        everything = [*processes_of(migrated), *psutil.Process(server.process.pid).children(recursive=True)]
        workers = server.workers()
        heads = [process for process in everything if "-D" in process.cmdline()]
        server.process.kill()
        for process in everything if what == "everything" else heads:
            with suppress(psutil.NoSuchProcess):  # it ended when its parent died
                process.kill()
        server.process.wait(60)
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    with serving(migrated, tmp_path, **ONE) as server:
        assert "kept from before: 1 users" in server.log.read_text()
    assert processes_of(migrated) == []


def processes_that_wait_for(lock):
    """Count the processes that wait for the lock, by the kernel's list of file locks."""
    name = f":{lock.stat().st_ino} "
    return sum("-> FLOCK" in line and name in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_killed_postgres_is_restarted_by_only_one_of_the_servers_that_notice_it(migrated, tmp_path, caplog):
    with serving(migrated, tmp_path, **ONE) as server:
        pid_file = migrated / "postgres" / "postmaster.pid"
        killed = int(pid_file.read_text().split()[0])
        other = PostgresWatch(migrated)  # the watch of a second server
        other.start()
        with _only_one(migrated):
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: processes_that_wait_for(migrated / "postgres.lock") == 2)
        try:
            wait_until(lambda: "PostgreSQL runs again" in server.log.read_text() + caplog.text)
            other.stop()  # now both watches have checked
            assert int(pid_file.read_text().split()[0]) != killed
            body = {"identity": "nobody", "password": "wrong"}
            wait_until(lambda: httpx.post(f"{server.base_url}/v1/login", json=body, timeout=30).status_code == 401)
        finally:
            other.stop()
        assert (migrated / "postgres" / "log").read_text().count("starting PostgreSQL") == 2
        assert (server.log.read_text() + caplog.text).count("PostgreSQL has died; restarting it") == 1
    assert server.process.returncode == 0
    assert processes_of(migrated) == []


def test_a_database_whose_folder_was_emptied_is_not_made_anew_under_a_running_server(tmp_path):
    server = _Server(tmp_path)
    server._prepare_folders()
    with pytest.raises(EmbeddedPostgresError):
        server.start_again()
    assert not (server.folder / "PG_VERSION").exists()


def test_createapp_works_beside_a_running_server_and_leaves_it_running(shared):
    made = run("manage.py", "createapp", "Beside", "--json", data=shared.data)
    assert made.returncode == 0, made.stderr
    new = json.loads(made.stdout)
    assert new["sharedSecret"] is None
    body = {"appId": new["appId"], "appKey": new["appKey"], "platform": "test"}
    assert httpx.post(f"{shared.server.base_url}/devices", json=body, timeout=30).status_code == 201


def test_commands_start_the_database_when_nobody_has_and_stop_it_again(data):
    assert run("manage.py", "migrate", "--verbosity=0", data=data).returncode == 0
    assert "App key" in run("manage.py", "createapp", "Alone", data=data).stdout
    again = run("manage.py", "createapp", "Alone", data=data)
    assert again.returncode == 1
    assert "There is an app called 'Alone' already" in again.stderr
    assert processes_of(data) == []


def test_a_port_in_use_is_an_error_that_names_it(shared):
    port = shared.server.base_url.rpartition(":")[2]
    second = run("-m", "zapauth.serve", data=shared.data, PORT=port)
    assert second.returncode == 1
    assert f"can't listen on 127.0.0.1 port {port}" in second.stderr
    assert "Traceback" not in second.stderr
    assert httpx.get(f"{shared.server.base_url}/service/ping", timeout=30).status_code == 200


@pytest.mark.parametrize("missing", ["SECRET_KEY", "SIGNING_KEYS"])
def test_a_database_of_ones_own_without_secrets_is_an_error_that_says_how_to_make_them(data, missing, settings):
    given = production(settings) | {"DATABASE_URL": "postgres://nobody@/none"}
    given.pop(missing)
    failed = run("-m", "zapauth.serve", data=data, **given)
    assert failed.returncode == 1
    assert f"With DATABASE_URL set, {missing} is needed. Make one with: openssl" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_database_that_is_not_there_is_an_error_without_a_traceback(data, settings):
    failed = run("-m", "zapauth.serve", data=data, **production(settings))
    assert failed.returncode == 1
    assert "the database can't be reached: connection failed" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_production_setting_passes_djangos_deployment_check(settings, data):
    clean = run(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        data=data,
        **production(settings)
        | {
            "ALLOWED_HOSTS": "auth.example.org",
            "EMAIL_URL": "smtp+tls://user:password@smtp.example.org:587",
            "PUBLIC_URL": "https://auth.example.org",
        },
    )
    assert clean.returncode == 0, clean.stderr


def test_a_data_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    failed = run("-m", "zapauth.serve", data=tmp_path / "file" / "data")
    assert failed.returncode == 1
    assert "set DATABASE_URL, or DATA_DIR to a folder that can" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"WORKERS": "many"}, "WORKERS is a whole number, 1 or more; it can't be 'many'."),
        ({"WORKERS": "0"}, "WORKERS is a whole number, 1 or more"),
        ({"SESSION_LIFETIME": "0"}, "SESSION_LIFETIME is a whole number, 1 to 315360000"),
        ({"PASSWORD_MIN_LENGTH": "7"}, "PASSWORD_MIN_LENGTH is a whole number, 8 or more"),
        ({"THROTTLE_RATES": "login_everybody=9/60"}, "login_everybody counts by the hour, TIMES/3600"),
        ({"HTTPS": "yse"}, "HTTPS is on or off; it can't be 'yse'."),
        ({"SIGNING_KEYS": "no key"}, "SIGNING_KEYS: it holds no PEM key."),
        ({"DATABASE_URL": "nonsense"}, "must be a postgres:// URL"),
        ({"DATABASE_URL": "mysql://user@host/name"}, "must be a postgres:// URL"),
    ],
)
@pytest.mark.parametrize("command", [("-m", "zapauth.serve"), ("manage.py", "check")], ids=["serve", "check"])
def test_a_wrong_setting_is_an_error_that_names_it(data, settings, wrong, said, command):
    failed = run(*command, data=data, **production(settings) | wrong)
    assert failed.returncode == 1
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_server_that_others_could_take_over_does_not_start_and_says_every_reason(data, settings):
    weak = {"SECRET_KEY": "changeme" * 8, "SECRET_KEY_FALLBACKS": "secret", "ALLOWED_HOSTS": "*", "EMAIL_URL": ""}
    failed = run("-m", "zapauth.serve", data=data, **production(settings) | weak)
    assert failed.returncode == 1
    assert re.findall(r"\(zapauth\.(E\d+)\)", failed.stderr) == ["E001", "E002", "E004", "E005"]
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("given", "path"), [({}, "{data}/restore_guard"), ({"RESTORE_GUARD": "off"}, None), ({"RESTORE_GUARD": "/g"}, "/g")]
)
def test_the_restore_guards_file_is_in_the_data_folder_unless_it_is_elsewhere_or_off(data, given, path):
    shown = run("-c", "from zapauth import settings; print(settings.RESTORE_GUARD)", data=data, **given)
    assert shown.stdout.strip() == str(path and path.format(data=data))
