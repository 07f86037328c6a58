"""The projects that are measured side by side. Each has its own database on the same PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.database import Database
from bench.serving import (
    ZAPAUTH,
    Server,
    baseline,
    baseline_environment,
    run_python,
    serving,
    zapauth_environment,
)

DEFAULT_THREADS = 32  # ZapAuth's default for each worker


@dataclass(frozen=True)
class Project:
    name: str
    settings: str = "bench.settings"
    extra: dict[str, str] = field(default_factory=dict, hash=False)
    database: str = "zapauth"

    @property
    def is_zapauth(self) -> bool:
        return self.settings == "bench.settings"

    def environment(self, database: Database) -> dict[str, str]:
        url = database.url(self.database)
        if self.is_zapauth:
            return zapauth_environment(database.data, url, self.settings) | self.extra
        return baseline_environment(database.data, self.settings, url)

    def migrate(self, database: Database) -> None:
        database.create(self.database)
        run_python("-m", "django", "migrate", "--verbosity", "0", given=self.environment(database))

    @contextmanager
    def serve(self, database: Database, threads: int = DEFAULT_THREADS) -> Iterator[Server]:
        """Serve with this number of threads in each worker."""
        arguments, ping = (ZAPAUTH, "/service/ping") if self.is_zapauth else (baseline(threads), "/ping")
        with serving(arguments, self.environment(database) | {"THREADS": str(threads)}, ping=ping) as server:
            yield server


def _baseline(name: str) -> Project:
    return Project(name, f"bench.baselines.{name}.settings", database=f"baseline_{name}")


DEFAULT = Project("zapauth")
# The same project with one other setting.
ROTATING = Project("zapauth_rotating", extra={"ROTATE_REFRESH_TOKENS": "on"})
PLAIN_SIMPLEJWT = _baseline("plain_simplejwt")
BLACKLISTED_ACCESS = _baseline("blacklisted_access")
KNOX = _baseline("knox")
BARE = _baseline("bare")
