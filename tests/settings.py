"""Settings of the suite and its servers: the project's settings with a cheap password hasher."""

import os
from datetime import timedelta

from sessions.jobs import times
from sessions.rotation import times as rotation_times
from zapauth.settings import *  # noqa: F403
from zapauth.settings import DATABASES, EMAIL_URL, IS_LOCAL

PASSWORD_HASHERS = ["tests.hashes.CheapArgon2"]
# Nobody reads the mails of most servers. They leave the jobs to other servers on the same database.
if EMAIL_URL == "dummymail://":
    times.THREADS = dict.fromkeys(times.THREADS, 0)
    times.SIGN_OF_LIFE_EVERY = timedelta(days=1)
# A server with other keys would stop a rotation. So a server that several tests share tells its keys at its start only.
if os.environ.get("TELLS_KEYS") != "yes":
    rotation_times.TELL_EVERY = timedelta(days=1)
# `tests.database_clock` makes a clock in this schema. Tests can set it.
_options = ["-c search_path=public,test_clock,pg_catalog"]
if IS_LOCAL:
    # If two transactions block each other, PostgreSQL stops the one that waited this long. Servers wait one second. The
    # suite must not be stopped: it empties tables while a server may still handle a request of the test.
    # This is below REQUEST_LOCK_TIMEOUT. Otherwise the suite would give up while autovacuum only has to step aside.
    _options.append("-c deadlock_timeout=3s")
DATABASES["default"]["OPTIONS"]["options"] += " " + " ".join(_options)
