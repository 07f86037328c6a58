"""One Chromium for the browser tests of this process. Each test gets an empty page in it, without anything stored."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Error,
    Page,
    Response,
    sync_playwright,
)

from users.clients import NewApp

# The shell is the same browser without windows and menus. With it a page takes a third less processor time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
# Chromium then sends only the page's requests.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # The pages share one renderer. To start one for each page would cost more than most tests.
    "--disable-features=IsolateOrigins,site-per-process",
    "--process-per-site",
    "--renderer-process-limit=1",
]


@dataclass(frozen=True)
class Exchange:
    """A call of the page and its answer, as sent over the wire."""

    method: str
    path: str
    authorization: str | None
    status: int
    headers: dict[str, str]  # headers of the answer; names in lower case
    json: Any


@dataclass
class Visit:
    result: Any = None  # result of the page's function; a JavaScript Date arrives as a datetime
    wire: list[Exchange] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Chromium:
    """A running browser. Use it in a `with` block only: see `chromium`."""

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        self._browser: Browser = launch(self._playwright.chromium)
        self._contexts: dict[tuple[str | None, bool], BrowserContext] = {}

    def __enter__(self) -> "Chromium":
        asyncio._set_running_loop(self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio._set_running_loop(None)

    def close(self) -> None:
        with self:
            self._browser.close()
            self._playwright.stop()

    @contextmanager
    def page(self, *, base_url: str | None = None, javascript: bool = True, fresh: bool = False) -> Iterator[Page]:
        """Yield an empty page. Afterwards close all pages, and forget cookies and stored data.

        Args:
            fresh: whether to use a context of its own. It costs a second. A test needs it if it changes the context,
                as `page.clock` does.
        """
        key = (base_url, javascript)
        context = (None if fresh else self._contexts.pop(key, None)) or self._new_context(base_url, javascript)
        page = context.new_page()
        try:
            yield page
            if not fresh:
                _forget(context, page)
                self._contexts[key] = context
        finally:
            if fresh or key not in self._contexts:
                context.close()

    def _new_context(self, base_url: str | None, javascript: bool) -> BrowserContext:
        context = self._browser.new_context(
            base_url=base_url, java_script_enabled=javascript, viewport={"width": 1440, "height": 900}
        )
        context.new_page()  # it stays open, and with it the renderer
        return context


def _forget(context: BrowserContext, page: Page) -> None:
    """Close all pages but the first one. Forget what they have stored."""
    context.clear_cookies()
    devtools = context.new_cdp_session(page)
    for url in {page.url, *(frame.url for frame in page.frames)}:
        site = urlsplit(url)
        devtools.send("Storage.clearDataForOrigin", {"origin": f"{site.scheme}://{site.netloc}", "storageTypes": "all"})
    for each in context.pages[1:]:
        each.close()


_running: list[Chromium] = []


def chromium() -> Chromium:
    """Return the browser of this process, for a `with` block. It is started once.

    Don't use the ORM in the block: Playwright's event loop runs in this thread meanwhile, and Django's ORM refuses to
    work beside an event loop. Between the blocks the loop stands still.
    """
    if not _running:
        _running.append(Chromium())
    return _running[0]


def quit_chromium() -> None:
    """Close the browser of this process, if there is one."""
    while _running:
        _running.pop().close()


def visit(page_url: str, function: str, argument: Any, *, app: NewApp, api: str) -> Visit:
    """Open the page in Chromium, start the client for ``app``, and run one of the page's functions."""
    seen, answers = Visit(), []
    with chromium() as browser, browser.page() as page:
        listen(page, seen, answers)
        page.goto(page_url)
        options = {"root": api} | ({"sharedSecret": app.shared_secret} if app.shared_secret else {})
        page.evaluate("([id, key, options]) => void Buddy.init(id, key, options)", [app.app.pk, app.key, options])
        seen.result = page.evaluate(function, argument)
        seen.wire = [exchange(answer, api) for answer in answers if answer.url.startswith(api)]
    assert not seen.errors
    return seen


def launch(chromium: BrowserType):
    # Playwright's default is no sandbox. Root can't have one.
    return chromium.launch(executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=os.geteuid() != 0)


def listen(page: Page, seen: Visit, answers: list[Response]) -> None:
    """Collect what the page logs and receives. Print errors, so that pytest shows them with a failure."""

    def note(message: ConsoleMessage) -> None:
        seen.console.append(message.text)
        print(f"console, {message.type}: {message.text}")

    def note_error(error: Error) -> None:
        seen.errors.append(error.message)
        print(f"page error: {error.stack}")

    page.on("console", note)
    page.on("pageerror", note_error)
    # Playwright sets an attribute on its handlers. Built-in methods don't allow that.
    page.on("response", lambda answer: answers.append(answer))


def note_violations(page: Page, problems: list[str]) -> None:
    """Add to ``problems`` what the content security policy of a page blocks."""
    page.expose_binding("noteViolation", lambda _source, text: problems.append(text))
    page.add_init_script("""document.addEventListener("securitypolicyviolation", (event) => noteViolation(
        `${event.documentURI}: ${event.effectiveDirective} forbids ${event.blockedURI} ${event.sample}`))""")


def exchange(answer: Response, api: str) -> Exchange:
    request = answer.request
    return Exchange(
        method=request.method,
        path=request.url.removeprefix(api),
        authorization=request.headers.get("authorization"),
        status=answer.status,
        headers=answer.headers,
        json=answer.json(),
    )
