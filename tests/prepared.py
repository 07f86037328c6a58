"""A database folder with all migrations, made once for all processes of the suite. They copy it.

To make one takes five seconds of processor time, and a copy takes a tenth of a second. The tests of a separate
installation start with a copy. So do the suite's own databases, if several processes run the tests.
"""

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.environment import ROOT, SETTINGS_NAMES


@dataclass(frozen=True)
class Prepared:
    folder: Path

    def copy_to(self, data: Path) -> None:
        """Put a copy of the database into a data folder that has none. Secrets are not copied."""
        data.mkdir(parents=True, exist_ok=True)
        # PostgreSQL's folder may belong to another user, and `shutil` does not keep owners.
        subprocess.run(["cp", "-a", self.folder / "postgres", data], check=True)


def prepared(folder: Path) -> Prepared:
    """Return the database in that folder. The first process that asks makes it, and the others wait.

    The folder must not be in pytest's: a second run of pytest would take PostgreSQL's access to it away.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            _make(folder)
            (folder / "whole").touch()
    return Prepared(folder)


def _make(folder: Path) -> None:
    ours = SETTINGS_NAMES | {"DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=kept | {"DATA_DIR": str(folder)}, check=True, timeout=300)
    (folder / "postgres" / "log").unlink()  # tests count what is logged
