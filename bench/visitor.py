"""A member of staff at the support desk, over HTTP: cookies, forms, links, and the time of each page."""

import re
import time
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

_PATIENCE = 300  # seconds: a page that is far too slow is measured, too
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    url: str
    status: int
    text: str
    seconds: float

    @property
    def kilobytes(self) -> float:
        return len(self.text.encode()) / 1000

    def link(self, pattern: str) -> str | None:
        """Return the first link of the page that matches ``pattern``, as an absolute URL, or None."""
        for tag in re.findall(r"<a\b[^>]*>", self.text):
            address = re.search(r'href="([^"]+)"', tag)
            if address and re.search(pattern, tag):
                return urljoin(self.url, unescape(address[1]))
        return None


class Visitor:
    """Sends requests with the cookies that the server has set, one at a time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> Answer:
        """Get the page at ``path``, after its redirects. Errors of the server are answers, too."""
        return self._send(Request(urljoin(self.address, path)))  # noqa: S310  # always our own server

    def post(self, form: Answer, path: str = "", **fields: str) -> Answer:
        """Send ``fields`` to ``path`` with the CSRF token of the page ``form``; without a path, to its own address."""
        found = _CSRF.search(form.text)
        if found is None:
            raise RuntimeError(f"{form.url} has no form")
        sent = urlencode({"csrfmiddlewaretoken": found[1], **fields}).encode()
        address = urljoin(form.url, path)
        return self._send(Request(address, sent, {"Referer": form.url}))  # noqa: S310

    def log_in(self, path: str, *, username: str, password: str) -> None:
        """Log in with the form at ``path``. Raises: RuntimeError, if that did not work."""
        answer = self.post(self.get(path), username=username, password=password)
        if 'type="password"' in answer.text:
            raise RuntimeError(f"no log-in at {path}")

    def _send(self, request: Request) -> Answer:
        began = time.perf_counter()
        try:
            with self._opener.open(request, timeout=_PATIENCE) as response:
                status, url, text = response.status, response.url, response.read().decode()
        except HTTPError as error:
            status, url, text = error.code, error.url or request.full_url, error.read().decode()
        return Answer(url, status, text, time.perf_counter() - began)
