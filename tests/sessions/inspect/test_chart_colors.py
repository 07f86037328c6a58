"""The colors of the charts stay apart, also for people with color blindness, and stand out from the page."""

import re
from itertools import combinations

import pytest

from tests.environment import ROOT

CSS = (ROOT / "sessions/static/sessions/admin.css").read_text()
# Machado, Oliveira and Fernandes (2009), for the complete lack of one kind of cones. They apply to linear RGB.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)
# A difference of 2.3 (CIE76) is just noticed.
FAR_APART = 15


def colors_of(theme: str) -> dict[str, str]:
    """Return the variables of a theme: those of the light one, and what the dark one sets instead."""
    found: dict[str, str] = {}
    for block in re.findall(r"^\.za \{([^}]*--chart[^}]*)\}", CSS, re.M):
        found |= dict(re.findall(r"--(chart-\w+): (#\w{6});", block))
    if theme == "dark":
        for block in re.findall(r"^\.dark \.za \{([^}]*--chart[^}]*)\}", CSS, re.M):
            found |= dict(re.findall(r"--(chart-\w+): (#\w{6});", block))
    return found


def times(matrix, vector):
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def linear(color: str):
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def lab(color: str, blindness: str):
    seen = [min(1, max(0, part)) for part in times(BLINDNESS[blindness], linear(color))]
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (a / b for a, b in zip(times(TO_XYZ, seen), WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, blindness: str) -> float:
    pairs = zip(lab(one, blindness), lab(other, blindness), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_each_two_colors_of_a_chart_stay_apart(theme, blindness):
    colors = colors_of(theme)
    series = [colors[f"chart-{number}"] for number in range(8)]
    for one, other in combinations(series, 2):
        assert difference(one, other, blindness) > FAR_APART, (one, other)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_color_of_a_chart_stands_out_from_the_page(theme):
    colors = colors_of(theme)
    for number in range(8):
        assert difference(colors[f"chart-{number}"], colors["chart-card"], "none") > 2 * FAR_APART
