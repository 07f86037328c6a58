"""Take the pictures of the account page: on a computer and on a phone, beside each other."""

from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize

from tests.phones import PASSWORD

WIDE: ViewportSize = {"width": 900, "height": 844}
PHONE: ViewportSize = {"width": 390, "height": 844}
# The page shows which browser it is.
_AGENTS = {
    900: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Safari/537.36",
    390: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 "
    "Mobile/15E148 Safari/604.1",
}
_BACKGROUNDS = {"light": "#d5dae0", "dark": "#30363d"}


def take(browser: Browser, folder: Path, url: str, *, username: str) -> None:
    """Write `account-<theme>.png` in both themes."""
    for theme, background in _BACKGROUNDS.items():
        shots = [_shoot(browser, url, username, theme, size) for size in (WIDE, PHONE)]
        page = browser.new_page(viewport={"width": 24 * 3 + WIDE["width"] + PHONE["width"], "height": 24 * 2 + 844})
        images = "".join(f'<img src="data:image/png;base64,{b64encode(shot).decode()}">' for shot in shots)
        page.set_content(f'<body style="display:flex; gap:24px; margin:24px; background:{background}">{images}')
        page.screenshot(path=folder / f"account-{theme}.png")
        page.close()


def _shoot(browser: Browser, url: str, username: str, theme: str, size: ViewportSize) -> bytes:
    context = browser.new_context(base_url=url, viewport=size, color_scheme=theme, user_agent=_AGENTS[size["width"]])
    page = context.new_page()
    page.goto("/account/")
    page.get_by_label("User name, email or phone number").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Where you are logged in").wait_for()
    shot = page.screenshot()
    page.get_by_role("button", name="Log out").click()  # so that the next picture does not show this session
    page.wait_for_url("**/account/login/**")
    context.close()
    return shot
