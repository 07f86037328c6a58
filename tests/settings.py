"""Settings of the suite and its servers: those of the project, with a cheap password hash."""

from zapauth.settings import *  # noqa: F403
from zapauth.settings import DATABASES, IS_LOCAL

PASSWORD_HASHERS = ["tests.hashes.CheapArgon2"]
# `tests.database_clock` puts a clock there that tests can set.
_options = ["-c search_path=public,test_clock,pg_catalog"]
if IS_LOCAL:
    # When two transactions block each other, PostgreSQL stops the one that waited this long; servers wait one second.
    # It must not be the suite, which empties tables while a server may still handle a request that the test has left.
    # It is below REQUEST_LOCK_TIMEOUT: otherwise the suite would give up while autovacuum only has to step aside.
    _options.append("-c deadlock_timeout=3s")
DATABASES["default"]["OPTIONS"]["options"] += " " + " ".join(_options)
