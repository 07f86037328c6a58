"""Settings of the servers and commands in a history: the project's own, with cheap passwords and small batches."""

import os
import select
import time

from zapauth.settings import *  # noqa: F403
from zapauth.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.history.apps.HistoryConfig"]
PASSWORD_HASHERS = ["tests.history.hashes.CheapArgon2"]

if "FAKETIME_TIMESTAMP_FILE" in os.environ:
    # libfaketime 0.9.10 also shifts the absolute times of `clock_nanosleep`, with which `time.sleep` waits. It would
    # fail, or sleep for an hour. It leaves `select` alone.
    time.sleep = lambda seconds: select.select([], [], [], float(seconds)) and None
