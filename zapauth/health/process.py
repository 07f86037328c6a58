"""The identity of this process: the id of the server's start, and the number of the worker."""

import os
import secrets

from zapauth.metrics import samples

_SERVER = "ZAPAUTH_SERVER_ID"
_number: int | None = None


def begin_server() -> None:
    """Make the id of this start of the server. The worker processes inherit it in their environment."""
    os.environ[_SERVER] = secrets.token_hex(8)


def begin_worker(number: int) -> None:
    """Note the number of this worker, counted from 1, and begin to sample its figures."""
    global _number
    _number = number
    samples.begin()


def server_id() -> str | None:
    """Return the id of the server's start. None: this process belongs to no server, such as a command."""
    return os.environ.get(_SERVER)


def worker_number() -> int | None:
    """Return the number of this worker. None: this process is not a worker."""
    return _number
