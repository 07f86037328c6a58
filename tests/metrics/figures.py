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
    from zapauth.metrics.database import of_queue, of_runs, of_sessions

    command = [sys.executable, "-c", _OF_PROCESSES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    of_tables = [*of_sessions([(1, 1.0)]), *of_runs([]), *of_queue([])]
    of_database = {family.name for family in of_tables} | {"zapauth_database_up", "zapauth_figures_missing"}
    age = Age()
    age.begin(60.0)
    of_canary = {family.name for family in age.collect()}
    return {*done.stdout.split(), *of_canary, *of_database}
