"""The style sheet with the service's color, and colors of texts that can be read on it and beside it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

RGB = tuple[float, float, float]
_BLACK, _WHITE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
# The grounds in `account.css` on which links have the least contrast: one of the light theme, and one of the dark.
_LIGHT_GROUND, _DARK_GROUND = (243.0, 244.0, 246.0), (30.0, 41.0, 57.0)
_ENOUGH = 4.6  # WCAG 2.2, 1.4.3 asks for 4.5; the rest is for rounding
_STEPS = 50


@require_safe
@cache_control(max_age=24 * 60 * 60, public=True)
def color_sheet(request: HttpRequest) -> HttpResponse:
    """Answer with the style sheet. It is a page of its own, because the content policy forbids inline styles."""
    color = rgb_of(settings.SERVICE_COLOR)
    light, dark = readable_on(_LIGHT_GROUND, color), readable_on(_DARK_GROUND, color)
    lines = [
        f"--accent: {_hex(color)};",
        f"--accent-text: {_hex(text_on(color))};",
        f"--accent-ink: light-dark({_hex(light)}, {_hex(dark)});",
    ]
    return HttpResponse(f":root {{ {' '.join(lines)} }}\n", content_type="text/css; charset=utf-8")


def rgb_of(text: str) -> RGB:
    """Read a color such as `#155dfc`."""
    return (float(int(text[1:3], 16)), float(int(text[3:5], 16)), float(int(text[5:7], 16)))


def contrast(one: RGB, other: RGB) -> float:
    """Return the contrast of two colors, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on(color: RGB) -> RGB:
    """Return black or white: the one that can be read better on ``color``. Its contrast is 4.5 or more."""
    return max(_WHITE, _BLACK, key=lambda text: contrast(text, color))


def readable_on(ground: RGB, color: RGB) -> RGB:
    """Return the color next to ``color`` that can be read on ``ground``."""
    end = text_on(ground)
    mixed = (_mix(color, end, step / _STEPS) for step in range(_STEPS + 1))
    return next(found for found in mixed if contrast(found, ground) >= _ENOUGH)


def _luminance(color: RGB) -> float:
    red, green, blue = (_linear(value / 255) for value in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _mix(color: RGB, end: RGB, part: float) -> RGB:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(color, end, strict=True))
    return (float(red), float(green), float(blue))


def _hex(color: RGB) -> str:
    return "#" + "".join(f"{round(value):02x}" for value in color)
