"""The suite's settings for a server that looks after its event streams more often."""

from tests.settings import *  # noqa: F403
from zapauth.events import times

times.BEAT = 0.2
times.LONGEST_STALL = 1.0
times.OPENED_WITHIN = 2.0
