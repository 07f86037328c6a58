"""What the suite and its servers run on: the project's settings, but for passwords whose hash costs next to nothing."""

from zapauth.settings import *  # noqa: F403
from zapauth.settings import DATABASES, IS_LOCAL

PASSWORD_HASHERS = ["tests.hashes.CheapArgon2"]
# Where `tests.database_clock` has a clock that tests can set.
_options = ["-c search_path=public,test_clock,pg_catalog"]
if IS_LOCAL:
    # Of two that block each other PostgreSQL stops the one that has waited for so long; servers wait for a second. It
    # must not be the suite, which empties the tables while a server may be busy with what a test has hung up on. Still
    # before REQUEST_LOCK_TIMEOUT: or the suite would give up when it only has to wait for autovacuum to step aside.
    _options.append("-c deadlock_timeout=3s")
DATABASES["default"]["OPTIONS"]["options"] += " " + " ".join(_options)
