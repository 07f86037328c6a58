"""The suite's settings for a host whose clock is CLOCK_AHEAD seconds ahead of the database's. Negative means behind."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

from tests.settings import *  # noqa: F403

time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(os.environ["CLOCK_AHEAD"])), tick=True).start()
