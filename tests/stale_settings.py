"""Settings of a server that breaks the promise: while a file exists, the gate repeats its first 200 for seconds."""

import os
import time
from pathlib import Path

from zapauth.settings import *  # noqa: F403
from zapauth.settings import MIDDLEWARE

LIES = 4.0  # seconds from the first 200 on

MIDDLEWARE = ["tests.stale_settings.Stale", *MIDDLEWARE]


class Stale:
    """Middleware that remembers which tokens were accepted, in each worker."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.flag = Path(os.environ["STALE_FLAG"])
        self.accepted = {}

    def __call__(self, request):
        if request.path != "/verify":
            return self.get_response(request)
        token = request.headers.get("Authorization")
        first, until = self.accepted.get(token, (None, 0.0))
        if time.monotonic() < until and self.flag.exists():
            return first
        response = self.get_response(request)
        if response.status_code == 200 and first is None:
            self.accepted[token] = response, time.monotonic() + LIES
        return response
