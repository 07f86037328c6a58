"""Filters for templates: `{% load words %}{{ name|first_capital }}`."""

from django import template
from django.utils.text import capfirst

register = template.Library()


@register.filter
def first_capital(text: str) -> str:
    """Return the text with a capital first letter. Names such as "iOS" and "iPhone app" stay as they are."""
    first, _, _ = text.partition(" ")
    return capfirst(text) if first.islower() else text
