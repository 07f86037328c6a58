"""A database folder with all migrations, made once in each process and copied for tests of a separate installation.

To make one takes five seconds of processor time, and a copy takes a tenth of a second.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def prepared() -> Iterator[Prepared]:
    """Make the folder. It is deleted at the end."""
    ours = SETTINGS_NAMES | {"DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth-prepared-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=kept | {"DATA_DIR": name}, check=True, timeout=120)
        (folder / "postgres" / "log").unlink()  # tests count what is logged
        yield Prepared(folder)
