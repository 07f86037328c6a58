"""axe-core looks at one page of each kind, in both themes. It must find nothing, whatever its weight."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.admin import browsing
from tests.browser.chromium import CHROMIUM
from tests.browser.test_content_policy import admin, pages  # noqa: F401  # `admin` is a fixture

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """() => axe.run().then(found => found.violations.flatMap(rule => rule.nodes.map(
    node => `${rule.impact} ${rule.id}: ${node.target.join(" ")} ${node.html.slice(0, 160)}: ${node.failureSummary}`
)))"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


def findings(page: Page) -> list[str]:
    """Return what axe-core finds on the page, one text for each element and rule."""
    page.evaluate(AXE.read_text())  # unlike a script tag, it is not subject to the content security policy
    found: list[str] = page.evaluate(_RUN)
    return found


def test_no_page_of_the_admin_has_a_finding(admin):  # noqa: F811
    addresses = ["/admin/", *pages()]
    found = []
    with browsing(admin, "boss") as page:
        for address in addresses:
            page.goto(address)
            found += [f"{address}: {text}" for text in findings(page)]
            page.evaluate("document.documentElement.classList.add('dark')")  # what the theme's switch does
            found += [f"{address} (dark): {text}" for text in findings(page)]
    assert not found, "\n".join(found)
