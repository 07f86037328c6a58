"""Visit the admin with a real browser and collect problems."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, StorageState

from tests.browser.chromium import chromium, note_violations
from tests.phones import PASSWORD


@contextmanager
def visiting(
    url: str,
    *,
    theme: str = "light",
    violations: list[str] | None = None,
    kept: StorageState | None = None,
    javascript: bool = True,
    clock: bool = False,
) -> Iterator[Page]:
    """Yield a browser's empty page. It fails at the end if a page had a problem, such as an error in a script.

    Don't use the ORM in the block: see `chromium.chromium`.

    Args:
        kept: the cookies of an earlier visit.
        javascript: whether the browser runs scripts.
        clock: whether the test sets the clock of the page's scripts (`page.clock`).
    """
    problems: list[str] = []
    foreign: list[str] = []
    with chromium() as browser, browser.page(base_url=url, javascript=javascript, fresh=clock) as page:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": 1440, "height": 900})
        if kept is not None:
            page.context.add_cookies(kept["cookies"])
        if clock:
            page.clock.install()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: problems.append(error.message))
        page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith(url) else None)
        note_violations(page, problems if violations is None else violations)
        yield page
    assert not problems
    # No file is loaded from a CDN.
    assert not [address for address in foreign if not address.startswith("data:")]


@contextmanager
def browsing(url: str, name: str, *, theme: str = "light", violations: list[str] | None = None) -> Iterator[Page]:
    """Yield a page of the admin after a log-in by its form. See `visiting`."""
    with visiting(url, theme=theme, violations=violations) as page:
        page.goto("/admin/")
        type_password(page, name)
        page.wait_for_url(f"{url}/admin/")
        yield page


def type_password(page: Page, name: str) -> None:
    """Fill in the form of the log-in page and submit it."""
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
