"""The suite's settings for a server that restarts a worker at once, but after its second death only after an hour."""

from tests.settings import *  # noqa: F403
from zapauth.server import supervisor

supervisor.pause_after = lambda deaths: 0.0 if deaths <= 1 else 3600.0
