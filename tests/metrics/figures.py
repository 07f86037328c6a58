"""The names of all figures."""

import subprocess
import sys
from functools import cache

from tests.environment import ROOT

# In a process of its own: the module must not be loaded here.
_OF_PROCESSES = """
from zapauth.metrics.figures import REGISTRY
for family in REGISTRY.collect():
    print(family.name + ("_total" if family.type == "counter" else ""))
"""


@cache
def known_names() -> set[str]:
    from zapauth.canary.figures import Age
    from zapauth.metrics.database import _Known, _of_queue, _of_sessions

    command = [sys.executable, "-c", _OF_PROCESSES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    known = _Known(1, 1.0, 1, 1, 1, 1.0, [("admin", 1)], [("mail", "todo", 1)], [("mail", 1.0)])
    of_database = {family.name for family in (*_of_sessions(known), *_of_queue(known))}
    age = Age()
    age.begin(60.0)
    of_canary = {family.name for family in age.collect()}
    return {*done.stdout.split(), *of_canary, *of_database, "zapauth_database_up"}
