"""Ask a gate by each of the packages, and tell the outcome in the same words."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.environment import ROOT
from zapauth_client import Forbidden, Gate, NotPassed, Refused, Unavailable

JS = ROOT / "clients" / "js"


class Asks(Protocol):
    """Asks about a header `Authorization`, or about several at once.

    Returns: `{"passed": {…}}`, or `{"status", "word", "headers"}`, or `{"wrong": …}` if an option is wrong.
    """

    def __call__(self, url: str, *authorizations: str | None, **options: Any) -> Any: ...


def by_python(url: str, *authorizations: str | None, **options: Any) -> Any:
    try:
        gate = _python_gate(url, **options)
    except (TypeError, ValueError):
        return {"wrong": "options"}
    with ThreadPoolExecutor(len(authorizations)) as threads:
        answers = list(threads.map(lambda authorization: _told(gate, authorization), authorizations))
    return answers[0] if len(answers) == 1 else answers


@lru_cache(maxsize=4)
def _python_gate(url: str, **options: Any) -> Gate:
    return Gate(url, **options)


def _told(gate: Gate, authorization: str | None) -> dict[str, Any]:
    try:
        return {"passed": asdict(gate.check(authorization))}
    except NotPassed as error:
        headers = {}
        if isinstance(error, Refused | Forbidden):
            headers = {"WWW-Authenticate": error.challenge}
        elif isinstance(error, Unavailable):
            headers = {"Retry-After": str(error.retry_after)}
        return {"status": error.status, "word": error.error, "headers": headers}


_NAMES = {"timeout": "timeoutMs", "accept_unchecked": "acceptUnchecked"}
_FIELDS = {"userId": "user_id", "sessionId": "session_id", "appId": "app_id", "isChecked": "is_checked"}


@contextmanager
def by_node() -> Iterator[Asks]:
    """Start node. Skips the test if there is none."""
    with subprocess.Popen(
        [node(), Path(__file__).parent / "driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask(url: str, *authorizations: str | None, **options: Any) -> Any:
            given = {_NAMES.get(name, name): value for name, value in options.items()} | {"url": url}
            if "timeoutMs" in given:
                given["timeoutMs"] *= 1000
            process.stdin.write(json.dumps({"options": given, "authorizations": authorizations}) + "\n")
            process.stdin.flush()
            answers = json.loads(process.stdout.readline())
            if "wrong" in answers:
                return {"wrong": "options"}
            return [_same(one) for one in answers] if len(answers) > 1 else _same(answers[0])

        yield ask
        process.stdin.close()
        assert process.wait(30) == 0


def _same(told: dict[str, Any]) -> dict[str, Any]:
    if "passed" in told:
        expires_at = datetime.fromisoformat(told["passed"].pop("expiresAt"))
        verdict = {_FIELDS.get(name, name): value for name, value in told["passed"].items()}
        return {"passed": verdict | {"expires_at": expires_at}}
    assert "bug" not in told, told
    headers = {name: value for name, value in told["headers"].items() if name != "Cache-Control"}
    return {"status": told["status"], "word": told["word"], "headers": headers}


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs node")
    return found
