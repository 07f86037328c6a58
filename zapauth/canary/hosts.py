"""The value of the header `Host` in the canary's requests."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host


def host_for(url: str) -> str:
    """Return an allowed host for requests to that URL, or an empty text if its own host is allowed.

    The canary often calls a server by an address that is not in ALLOWED_HOSTS. ".example.org" also allows example.org.
    """
    allowed = settings.ALLOWED_HOSTS
    if not allowed or validate_host(urlsplit(url).hostname or "", allowed):
        return ""
    return str(allowed[0]).lstrip(".")
