"""Settings of a server that breaks the promise: while a file exists, the gate repeats its last 200 for a token."""

import os
from pathlib import Path

from zapauth.settings import *  # noqa: F403
from zapauth.settings import MIDDLEWARE

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
        if token in self.accepted and self.flag.exists():
            return self.accepted[token]
        response = self.get_response(request)
        if response.status_code == 200:
            self.accepted[token] = response
        return response
