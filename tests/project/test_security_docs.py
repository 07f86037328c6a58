"""Check docs/security.md and docs/asvs.md: every test that they name exists, and no requirement is missing."""

import re
from collections import Counter

import pytest

from tests.environment import ROOT

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("security", "asvs")}
# The levels of the requirements of OWASP ASVS 5.0.0, in order, by section.
LEVELS = {
    "6.1": "122",
    "6.2": "111111112222",
    "6.3": "11223333",
    "6.4": "112233",
    "6.5": "22222333",
    "6.6": "2223",
    "6.7": "33",
    "6.8": "2222",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "9.1": "111",
    "9.2": "1222",
}
REQUIREMENTS = [
    (f"{section}.{number}", level) for section, levels in LEVELS.items() for number, level in enumerate(levels, start=1)
]
RFC_8725 = [f"3.{number}" for number in range(1, 13)]


def cells(pattern):
    """Return the cells of the rows of docs/asvs.md whose first one has that form."""
    rows = re.findall(rf"^\| ({pattern} \|.*) \|$", PAGES["asvs"], re.MULTILINE)
    return [row.split(" | ") for row in rows]


ROWS = cells(r"\d\.\d\.\d+")
SECTIONS = cells(r"3\.\d+")
KINDS = {"**Met.**": "met", "**Not applicable.**": "not applicable", "**Not met** since 0.1.0": "not met"}


def kind_of(row):
    (kind,) = [kind for words, kind in KINDS.items() if row[-2].startswith(words)]
    return kind


@pytest.mark.parametrize(("page", "least"), [("security", 40), ("asvs", 60)])
def test_every_test_that_the_page_names_exists(page, least):
    named = re.findall(r"`([\w/]+\.py)(?:::(test_\w+)(\[…\])?)?`", PAGES[page])
    assert len(named) > least
    for path, test, _ in named:
        source = (ROOT / "tests" / path).read_text()
        assert not test or f"def {test}(" in source, f"{path}::{test}"


def test_every_row_names_a_test():
    rows = [
        line
        for line in PAGES["security"].splitlines()
        if line.startswith("| ") and not line.startswith(("| ---", "| attack", "| ASVS"))
    ]
    for row in rows:
        assert ".py" in row.rsplit("|", 2)[-2], row


def test_every_requirement_has_its_row_with_its_level():
    assert [(row[0], row[1]) for row in ROWS] == REQUIREMENTS
    assert [row[0] for row in SECTIONS] == RFC_8725
    assert {len(row) for row in ROWS} == {5}
    assert {len(row) for row in SECTIONS} == {4}


@pytest.mark.parametrize("row", ROWS + SECTIONS, ids=lambda row: row[0])
def test_a_row_is_met_with_a_test_or_says_why_it_is_not(row):
    kind, why = kind_of(row), row[-2].partition(".**")[2] or row[-2].partition("0.1.0")[2]
    assert ".py" in row[-1] if kind == "met" else len(why) > 10
    assert not re.search(r"\b(planned|todo|will be|later version)\b", " ".join(row), re.IGNORECASE)


def test_the_numbers_at_the_top_are_those_of_the_rows():
    counted = Counter((row[1], kind_of(row)) for row in ROWS)
    shown = re.findall(r"^\| (\d) \| (\d+) \| (\d+) \| (\d+) \|$", PAGES["asvs"], re.MULTILINE)
    assert [tuple(row) for row in shown] == [
        (level, *(str(counted[level, kind]) for kind in KINDS.values())) for level in "123"
    ]
