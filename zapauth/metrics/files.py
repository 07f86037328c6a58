"""The files in which each process counts (prometheus-client's multiprocess mode).

Each process locks a slot, and its files are named for the slot. A dead process loses its lock, whatever killed it. The
next process takes the slot and goes on with its counts. So no count is lost, and the number of files stays small. The
gauges of a slot that nobody locks are removed: a dead worker holds no connection.
"""

import fcntl
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX, _LOCK = "zapauth-metrics-", ".lock"
# In memory, if there is such a file system: otherwise the kernel would write the counts to a disk.
_IN_MEMORY = "/dev/shm"  # noqa: S108  # the folder in it has a random name and mode 0700
_STARTED = 60.0  # seconds within which a starting server locks its folder
# The file descriptors of this process's locks. They must stay open.
_held: dict[Path, int] = {}
_slot = ""


def folder() -> Path | None:
    """Return the folder of this server's figures, or None if METRICS_PORT is off."""
    path = Path(os.environ.get(FOLDER, ""))
    # A folder with another name belongs to another program, and comes from an operator's shell.
    return path if path.name.startswith(_PREFIX) else None


def forget_folder() -> None:
    """Ignore the folder that the environment names. It belongs to another program."""
    os.environ.pop(FOLDER, None)


@contextmanager
def made() -> Iterator[Path]:
    """Make the folder for this server and its workers. Remove it at the end, and those of servers that were killed.

    Raises: RuntimeError, when the figures are declared already.
    """
    if "zapauth.metrics.figures" in sys.modules:
        raise RuntimeError("the figures were declared before they had a folder: this process would count in vain")
    parent = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK | os.X_OK) else tempfile.gettempdir()
    _remove_left(Path(parent))
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    _lock(path / _LOCK)
    os.environ[FOLDER] = str(path)
    try:
        yield path
    finally:
        del os.environ[FOLDER]
        shutil.rmtree(path, ignore_errors=True)


def slot() -> str:
    """Return the name of this process's slot. The first call takes one."""
    global _slot
    path = folder()
    if not _slot and path is not None:
        _slot = next(name for name in map("slot{}".format, count(1)) if _lock(path / f"{name}{_LOCK}"))
    return _slot


def forget_dead(path: Path) -> None:
    """Remove the gauges of processes that have died."""
    # Only servers with METRICS_PORT load prometheus-client. It would make each command start later.
    from prometheus_client.multiprocess import mark_process_dead

    for lock in path.glob(f"slot*{_LOCK}"):
        # While this holds the lock, no new process can take the slot.
        if lock not in _held and _lock(lock):
            mark_process_dead(lock.name.removesuffix(_LOCK), str(path))
            os.close(_held.pop(lock))


def _remove_left(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # A server that starts at this moment may not have locked its folder yet.
            facts, lock = path.lstat(), path / _LOCK
            is_old = time.time() - facts.st_mtime > _STARTED
            is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
            if is_ours and is_old and lock.exists() and _lock(lock):
                shutil.rmtree(path, ignore_errors=True)
                os.close(_held.pop(lock))


def _lock(path: Path) -> bool:
    """Lock a file for as long as this process lives. Returns: whether nobody else had locked it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        return False
    _held[path] = number
    return True
