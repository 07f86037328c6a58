"""Tags for the templates of the account page. They need no context, so error pages can use them, too."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def service_name() -> str:
    return str(settings.SERVICE_NAME)


@register.simple_tag
def service_initial() -> str:
    """Return the letter of the mark beside the service's name."""
    return settings.SERVICE_NAME[:1].upper()


@register.simple_tag
def service_color() -> str:
    """Return the color without its `#`, so that an address with it changes when the color does."""
    return settings.SERVICE_COLOR.removeprefix("#")
