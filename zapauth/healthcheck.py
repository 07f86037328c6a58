"""`python -m zapauth.healthcheck`: send a ping to the server on this machine; exit with 0 if it answers 200.

The Dockerfile's HEALTHCHECK runs this.
"""

import os
import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 5


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")
    from django.conf import settings

    # Use an allowed host name, because 127.0.0.1 may be none. ".example.org" also allows example.org itself.
    host = next(iter(settings.ALLOWED_HOSTS), "").lstrip(".") or "127.0.0.1"
    try:
        with closing(HTTPConnection("127.0.0.1", settings.PORT, timeout=TIMEOUT_SECONDS)) as server:
            server.request("GET", "/service/ping", headers={"Host": host})
            status = server.getresponse().status
    except (OSError, HTTPException) as error:
        print(f"No answer on port {settings.PORT}: {error}", file=sys.stderr)
        return 1
    print(f"/service/ping answers {status}.")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
