"""The suite's settings for a server that takes the jobs of dead servers over after one second."""

from datetime import timedelta

from sessions.jobs import times
from tests.settings import *  # noqa: F403

times.SIGN_OF_LIFE_EVERY = timedelta(seconds=0.2)
times.DEAD_AFTER = timedelta(seconds=1)
times.PAUSE_AFTER_DEATH = timedelta(0)
times.FIRST_PAUSE = times.FIRST_PAUSE_OF_QUEUE = timedelta(seconds=0.3)
