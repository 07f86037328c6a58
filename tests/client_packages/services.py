"""Services that use the packages, as programs of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client_packages.asking import JS, node
from tests.environment import ROOT
from tests.phones import Live, Reply


class Service:
    def __init__(self, url: str) -> None:
        self._send = Live(url)

    def get(self, path: str, token: str | None = None, *, method: str = "GET") -> Reply:
        return self._send(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})


@contextmanager
def other_project(**options: Any) -> Iterator[Service]:
    """Run the Django project with that setting ZAPAUTH. Every warning is an error there."""
    module = "tests.client_packages.other_project"
    command = [sys.executable, "-W", "error", "-m", module, json.dumps(options)]
    with _running(command, PYTHONPATH=str(ROOT / "clients" / "python")) as service:
        yield service


@contextmanager
def example(name: str, gate: str) -> Iterator[Service]:
    """Run an example for Node. Skips the test if its packages are not installed."""
    examples = JS / "examples"
    if not (examples / "node_modules" / "express").is_dir():
        pytest.skip("needs: make clients/js/examples/node_modules")
    with _running([node(), examples / name], GATE=gate, PORT="0") as service:
        yield service


@contextmanager
def _running(command: list[str | Path], **environment: str) -> Iterator[Service]:
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            assert said.startswith("listens on "), said
            yield Service(said.removeprefix("listens on ").strip())
        finally:
            process.kill()
