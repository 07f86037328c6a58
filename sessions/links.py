"""Absolute URLs of our pages, for mails. They come from the setting PUBLIC_URL and never from a request's Host."""

from django.conf import settings
from django.urls import reverse


def link_url(name: str, token: str) -> str | None:
    """Return the absolute URL of the page ``name`` for ``token``. None, without PUBLIC_URL: mails have no link then."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=[token])}" if settings.PUBLIC_URL else None
