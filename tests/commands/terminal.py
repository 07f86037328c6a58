"""Run an operator's commands: in this process, in another process, or at a terminal."""

import fcntl
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any
from unittest import mock

from django.core.management import load_command_class

from tests.environment import ROOT
from tests.servers import test_environment


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """The output, parsed as one JSON value for each line."""
        return [json.loads(line) for line in self.out.splitlines()]


def manage(line: str, *arguments: str, stdin: bytes = b"") -> Done:
    """Run `manage.py` in this process and its transaction. Pass texts with spaces as ``arguments``."""
    name, *words = shlex.split(line)
    out, err, code = StringIO(), StringIO(), 0
    # Otherwise the command line would close the test's connection.
    closed = mock.patch("django.core.management.base.connections.close_all")
    with closed, redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", _Pipe(BytesIO(stdin))):
        try:
            load_command_class("sessions", name).run_from_argv(["manage.py", name, *words, *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


class _Pipe(TextIOWrapper):
    """Standard input from a pipe. It has no file descriptor, unlike that of `shell`."""

    def isatty(self) -> bool:
        return False


def shell(line: str, *, stdin: bytes = b"") -> Done:
    """Run ``line`` in bash. There `manage` is `manage.py` on the test database."""
    script = f'set -o pipefail; manage() {{ "$PYTHON" manage.py "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=_environment(), input=stdin, capture_output=True, timeout=60, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """Runs `manage.py` on a pseudo-terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", terminal: int) -> None:
        self.process, self.terminal, self.screen = process, terminal, ""

    def read_until(self, text: str) -> None:
        """Return when the screen shows ``text``. Fails if it never does."""
        while text not in self.screen:
            assert self._read(), f"{text!r} is not on the screen: {self.screen}"

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C, and again if nothing happens. One that comes just before a read would wait for input."""
        for _ in range(10):
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                return

    def finish(self) -> int:
        """Wait for the end and return the exit code. The screen is complete then."""
        while self._read():
            pass
        return self.process.wait(60)

    def _read(self) -> bytes:
        ready, _, _ = select.select([self.terminal], [], [], 60)
        assert ready, f"it says nothing any more: {self.screen}"
        try:
            data = os.read(self.terminal, 65_536)
        except OSError:  # Linux reports the end of a terminal by this error
            return b""
        self.screen += data.decode(errors="replace")
        return data


@contextmanager
def at_a_terminal(line: str, *, columns: int = 160) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *shlex.split(line)],
        cwd=ROOT,
        env=_environment() | {"TERM": "xterm-256color", "COLUMNS": str(columns)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_let_ctrl_c_interrupt,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def _let_ctrl_c_interrupt() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # without a controlling terminal Ctrl-C is an ordinary character
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells ignore SIGINT in background jobs, and children inherit that


def _environment() -> dict[str, str]:
    return test_environment() | {"PYTHON": sys.executable}
