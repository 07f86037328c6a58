"""Take pictures of the mails, in the widths of a mail client on a computer and on a phone, in both themes.

`make screenshots` keeps some of them in docs/. All of them, in a folder: python -m tests.browser.mail_pictures FOLDER
"""

import os
import sys
from collections.abc import Collection
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from sessions.mail_samples import render_samples  # noqa: E402
from tests.browser.chromium import launch  # noqa: E402

WIDTHS = {"wide": 600, "narrow": 360}


def take(browser: Browser, folder: Path, names: Collection[str] = ()) -> None:
    """Write `mail-<name>-<theme>-<width>.png` of each sample, or only of those in ``names``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, mail in render_samples().items():
        if names and name not in names:
            continue
        for theme in ("light", "dark"):
            for width, pixels in WIDTHS.items():
                page = browser.new_page(viewport={"width": pixels, "height": 300}, color_scheme=theme)
                page.set_content(mail.html)
                assert page.evaluate("document.documentElement.scrollWidth") <= pixels, f"{name} is wider than the page"
                page.screenshot(path=folder / f"mail-{name}-{theme}-{width}.png", full_page=True)
                page.close()


if __name__ == "__main__":
    with sync_playwright() as playwright, launch(playwright.chromium) as browser:
        take(browser, Path(sys.argv[1]))
