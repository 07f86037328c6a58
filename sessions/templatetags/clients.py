"""Filters for templates: `{% load clients %}{{ session|client }}`."""

from django import template

from sessions.client_names import client_name, long_client_name
from sessions.models import Session

register = template.Library()


@register.filter
def client(session: Session) -> str:
    """Return the client of the session in a few words: "Safari 17.1 on iOS 17.1"."""
    return client_name(session)


@register.filter
def long_client(session: Session) -> str:
    """Return the client with its model."""
    return long_client_name(session)
