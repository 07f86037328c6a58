"""The Python package's connections: through threads, forks and the environment of a process."""

import os
import ssl
import subprocess
import sys

from tests.client_packages.fake_gates import USER, fake_gate, passed, self_signed
from tests.environment import ROOT
from zapauth_client import Gate

FORKS = """
import os, sys
from zapauth_client import Gate
gate = Gate(sys.argv[1])
gate.check("Bearer parent")
gate._connections._pool._optional_thread_lock._lock.acquire()  # as another thread of the parent may have done
child = os.fork()
if not child:
    for _ in range(3):
        gate.check("Bearer child")
    os._exit(0)
gate._connections._pool._optional_thread_lock._lock.release()
assert os.waitpid(child, 0)[1] == 0
gate.check("Bearer parent")
"""


def test_a_forked_process_has_connections_and_locks_of_its_own():
    with fake_gate(passed()) as gate:
        command = [sys.executable, "-c", FORKS, gate.url]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python")}
        subprocess.run(command, env=environment, check=True, timeout=60)
        assert (gate.connections, len(gate.requests)) == (2, 5)


def test_a_proxy_of_the_environment_gets_no_token(monkeypatch):
    with fake_gate(passed(subject="f" * 24)) as proxy, fake_gate(passed()) as gate:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert Gate(gate.url).check("Bearer x").user_id == USER
        assert proxy.requests == []


def test_a_gate_may_have_a_certificate_of_an_authority_of_ones_own(tmp_path):
    context, certificate = self_signed(tmp_path)
    with fake_gate(passed(), tls=context) as server:
        gate = Gate(server.url, ssl_context=ssl.create_default_context(cafile=certificate))
        for _ in range(3):
            assert gate.check("Bearer x").user_id == USER
        assert server.connections == 1
