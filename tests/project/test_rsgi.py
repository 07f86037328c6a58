"""How an answer gets from WSGI to granian."""

import os
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any

import pytest

from zapauth.server import rsgi


class Protocol:
    """Notes what granian would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def response_bytes(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.sent.append(("bytes", status, headers, content))

    def response_file(self, status: int, headers: list[tuple[str, str]], path: str) -> None:
        with open(path, "rb") as file:
            self.sent.append(("file", status, headers, file.read()))


def file_of(content: bytes) -> Any:
    file = TemporaryFile()  # noqa: SIM115  # the answer closes it
    file.write(content)
    file.seek(0)
    return file


def sent(file: Any, **options: Any) -> tuple[Any, ...]:
    def app(environ, start_response):
        start_response("200 OK", [("X-Kind", "test")])
        return environ["wsgi.file_wrapper"](file, 4096)

    protocol = Protocol()
    rsgi.answer(app, dict(rsgi._SAME_FOR_ALL), protocol, **options)
    (only,) = protocol.sent
    return only


@pytest.fixture
def at_once(monkeypatch):
    """Close the copies of files at once, and count them."""
    closed = []

    class Timer:
        def __init__(self, seconds, close, numbers):
            self.close, self.numbers = close, numbers

        def start(self):
            self.close(*self.numbers)
            closed.append(*self.numbers)

    monkeypatch.setattr(rsgi, "Timer", Timer)
    return closed


def test_a_large_file_is_read_by_granian_and_every_descriptor_is_closed(at_once):
    content = os.urandom(2**20)
    file = file_of(content)
    before = len(os.listdir("/dev/fd"))
    kind, status, headers, got = sent(file)
    assert (kind, status, headers, got) == ("file", 200, [("X-Kind", "test")], content)
    assert file.closed
    assert len(at_once) == 1
    assert len(os.listdir("/dev/fd")) == before - 1


def test_a_small_file_is_sent_at_once(at_once):
    file = file_of(b"ab" * 6000)
    assert sent(file) == ("bytes", 200, [("X-Kind", "test")], b"ab" * 6000)
    assert file.closed
    assert not at_once


def test_a_part_of_a_file_in_memory_is_sent_as_it_is(at_once):
    assert sent(BytesIO(b"x" * 2**21))[::3] == ("bytes", b"x" * 2**21)


def test_the_last_answer_of_a_connection_says_so_for_files_too(at_once):
    assert ("Connection", "close") in sent(file_of(b"x" * 2**20), last=True)[2]
