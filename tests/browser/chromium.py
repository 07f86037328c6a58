"""Visit the app's page with a real browser. The browser closes before the test checks the results."""

import os
import shutil
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserType, ConsoleMessage, Error, Page, Response, sync_playwright

from users.clients import NewApp

CHROMIUM = shutil.which("chromium")
# Chromium then sends only the page's requests.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
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


def visit(page_url: str, function: str, argument: Any, *, app: NewApp, api: str) -> Visit:
    """Open the page in Chromium, start the client for ``app``, and run one of the page's functions.

    Playwright's event loop runs in this thread until it is stopped, and Django's ORM refuses to work during that time.
    So the browser is closed before this function returns.
    """
    seen, answers = Visit(), []
    with sync_playwright() as playwright, launch(playwright.chromium) as browser:
        page = browser.new_page()
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
