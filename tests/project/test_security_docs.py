"""Check that every test in docs/security.md exists."""

import re

from tests.environment import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`([\w/]+\.py)(?:::(test_\w+)(?:\[…\])?)?`", TEXT)
    assert len(named) > 40
    for path, test in named:
        source = (ROOT / "tests" / path).read_text()
        assert not test or f"def {test}(" in source, f"{path}::{test}"


def test_every_row_names_a_test():
    rows = [
        line
        for line in TEXT.splitlines()
        if line.startswith("| ") and not line.startswith(("| ---", "| attack", "| ASVS"))
    ]
    for row in rows:
        assert ".py" in row.rsplit("|", 2)[-2], row
