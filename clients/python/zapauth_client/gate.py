"""Ask ZapAuth's gate, `/verify`, about a request. Nothing is kept: the next request is asked about again."""

import ssl
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from zapauth_client.connections import Answer, Connections, NoAnswer
from zapauth_client.errors import BAD_TOKEN, Forbidden, Refused, Unavailable
from zapauth_client.verdict import Level, Verdict, verdict_in

TIMEOUT: Final = 1.0  # seconds
_LONGEST_TOKEN = 8192  # characters
_LONGEST_WAIT = 60  # seconds
_SCHEMES = ("bearer", "buddy")


def has_token(authorization: str) -> bool:
    """Return whether the header has a scheme of ZapAuth's tokens, `Bearer` or `Buddy`."""
    return authorization.strip().partition(" ")[0].lower() in _SCHEMES


class Gate:
    """Asks about tokens. Make one for each process, and share it: threads and forked processes may use it.

    ```python
    gate = Gate("http://zapauth:8000/verify")
    verdict = gate.check(request.headers.get("Authorization"))
    ```
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        app: str | Iterable[str] = (),
        level: Level | None = "user",
        role: str | Iterable[str] = (),
        accept_unchecked: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare, without connecting. Raises: ValueError.

        Args:
            url: of the gate, such as `https://auth.example.org/verify`.
            timeout: seconds for the whole answer.
            app: only tokens of this app pass, or of one of these: ids or names.
            level: "user": no app-level tokens pass. None: they do.
            role: only users with this role id pass, or with one of these.
            accept_unchecked: let tokens pass that the gate could not check, because its database is away. Only a gate
                with `GATE_WITHOUT_DATABASE=accept` gives such an answer. Logged-out tokens are among them.
            ssl_context: for an authority of your own. The default trusts the usual ones.
        """
        if level not in ("user", None):
            raise ValueError("`level` is 'user' or None")
        roles = _listed(role)
        options = [*(("app", one) for one in _listed(app)), *(("role", one) for one in roles)]
        if level:
            options.append(("level", level))
        if not all(value for _, value in options):
            raise ValueError("an app or a role is empty")
        self._level, self._roles, self._accept_unchecked = level, roles, accept_unchecked
        self._connections = Connections(_with(url, options), timeout=timeout, ssl_context=ssl_context)

    def check(self, authorization: str | None) -> Verdict:
        """Ask about the header `Authorization` of a request. Returns: whose token it is.

        Raises: Refused (401), Forbidden (403), Unavailable (503: no answer in time, or not one of the gate).
        """
        authorization = (authorization or "").strip()
        if not has_token(authorization):
            raise Refused
        if len(authorization) > _LONGEST_TOKEN or not (authorization.isascii() and authorization.isprintable()):
            raise Refused(BAD_TOKEN)
        try:
            answer = self._connections.get({"Authorization": authorization, "Accept": "application/json"})
        except NoAnswer as error:
            raise Unavailable(f"the gate does not answer: {error}") from error
        if answer.status == 200:
            return self._passed(answer)
        raise _refusal(answer)

    def _passed(self, answer: Answer) -> Verdict:
        if not answer.headers.get("content-type", "").startswith("application/json"):
            raise Unavailable("the answer is not the gate's: another content type")
        try:
            verdict = verdict_in(answer.body)
        except ValueError as error:
            raise Unavailable(f"the answer is not the gate's: {error}") from error
        if not verdict.is_checked and not self._accept_unchecked:
            raise Unavailable("the gate could not check the token")
        # A proxy may have dropped the query. The gate would have refused these.
        if (self._level and verdict.level != self._level) or (self._roles and verdict.role not in self._roles):
            raise Unavailable("the gate did not get the options")
        return verdict


def _refusal(answer: Answer) -> Refused | Forbidden | Unavailable:
    """Return the error for an answer that is no 200. A 401 of a proxy is not the gate's: it asks for `Basic`."""
    challenge = answer.headers.get("www-authenticate", "")
    if challenge.startswith("Bearer ") and answer.status in (401, 403):
        return Refused(challenge) if answer.status == 401 else Forbidden(challenge)
    wait = answer.headers.get("retry-after", "")
    # isdecimal() is true for digits of other scripts, too, but a header in Latin-1 has none.
    seconds = min(int(wait), _LONGEST_WAIT) if wait.isdecimal() and len(wait) < 9 else 2
    return Unavailable(f"the gate answers {answer.status}", retry_after=seconds)


def _listed(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _with(url: str, options: list[tuple[str, str]]) -> str:
    parts = urlsplit(url)
    if parts.query:
        raise ValueError("give `app`, `level` and `role` as arguments, and not in the URL")
    return urlunsplit(parts._replace(query=urlencode(options)))
