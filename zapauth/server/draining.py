"""How a worker stops without losing a request.

1. `begin`: the worker goes on answering for DRAIN_TIME, but `/readyz` says 503, and each answer closes its connection.
   So load balancers take the server out, and a proxy does not reuse connections that are about to close.
2. `refuse_connections`: the kernel drops requests for new connections, while the worker takes those that exist already.
3. The worker closes its listening socket, and answers what it has taken.

Without step 2 the kernel would reset each connection that waits in the queue of the listening socket when it closes. A
proxy may have sent a request over it. In step 2 a new client gets no answer, and its kernel tries again after a second.
By then the port is closed or has a new server, so the client learns that nothing was sent.
"""

import ctypes
import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# The signal to a worker that must stop at once. A process that has no handler for it yet ends, too.
AT_ONCE = signal.SIGUSR1
# Seconds in which the worker takes the connections that exist when step 2 begins.
TAKEN_WITHIN = 0.2
_SO_ATTACH_FILTER = 26  # linux/asm-generic/socket.h
# A program of the kernel's classic packet filter: drop a segment with SYN (RFC 9293 §3.1, byte 13), pass all others.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load byte 13
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)

_is_draining = False


def begin() -> None:
    """Note that this worker stops soon."""
    global _is_draining
    _is_draining = True


def is_draining() -> bool:
    """Return whether this worker stops soon. It still answers requests that arrive."""
    return _is_draining


def refuse_connections(port: int) -> None:
    """Let the kernel drop requests for new connections to this process at that port. Connections that exist stay."""
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(buffer))
    for listener in _listeners(port):
        with listener, suppress(OSError):  # a sandbox may forbid it
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _listeners(port: int) -> Iterator[socket.socket]:
    """Yield a copy of each listening socket of this process at ``port``."""
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):  # the listing's own file is closed by now
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(number))
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and copy.getsockname()[1] == port:
                yield copy
            else:
                copy.close()
