"""The suite's settings for a server that restarts a worker at once, and after its second death only an hour later."""

from tests.settings import *  # noqa: F403
from zapauth.server import supervisor

supervisor.pause_after = lambda deaths: 0.0 if deaths <= 1 else 3600.0
