"""The setting `ZAPAUTH` of a Django project, and what is made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from zapauth_client.gate import TIMEOUT, Gate
from zapauth_client.verdict import Verdict

if TYPE_CHECKING:
    from zapauth_client.until_expiry import UntilExpiry

_NAMES = frozenset(
    {"GATE", "TIMEOUT", "APP", "LEVEL", "ROLE", "ACCEPT_UNCHECKED", "USER", "OPEN", "JWKS", "ISSUER", "LONGEST"}
)


@dataclass(frozen=True)
class ZapAuthUser:
    """The default `request.user`: whose token it is, without a row in a database. An app-level token has no user."""

    id: str | None
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False

    @property
    def pk(self) -> str | None:
        return self.id

    @property
    def is_authenticated(self) -> bool:
        return self.id is not None

    @property
    def is_anonymous(self) -> bool:
        return self.id is None

    def get_username(self) -> str:
        """Return the id. The gate tells no names."""
        return self.id or ""

    def __str__(self) -> str:
        return self.get_username()


@lru_cache(maxsize=1)
def gate() -> Gate:
    """Return this process's gate. Raises: ImproperlyConfigured."""
    given = _settings("GATE")
    try:
        return Gate(
            given["GATE"],
            timeout=given.get("TIMEOUT", TIMEOUT),
            app=given.get("APP", ()),
            level=given.get("LEVEL", "user"),
            role=given.get("ROLE", ()),
            accept_unchecked=given.get("ACCEPT_UNCHECKED", False),
        )
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"ZAPAUTH: {error}") from error


@lru_cache(maxsize=1)
def until_expiry() -> "UntilExpiry":
    """Return this process's check by the keys. Raises: ImproperlyConfigured."""
    from zapauth_client.until_expiry import LONGEST, UntilExpiry

    given = _settings("JWKS", "ISSUER", "APP")
    try:
        return UntilExpiry(
            given["JWKS"],
            issuer=given["ISSUER"],
            app=given["APP"],
            level=given.get("LEVEL", "user"),
            longest=timedelta(seconds=given["LONGEST"]) if "LONGEST" in given else LONGEST,
            timeout=given.get("TIMEOUT", TIMEOUT),
        )
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"ZAPAUTH: {error}") from error


@lru_cache(maxsize=1)
def user_function() -> Callable[[Verdict], Any]:
    """Return the function that makes `request.user` from a verdict. Raises: ImproperlyConfigured."""
    path = _settings().get("USER")
    if path is None:
        return lambda verdict: ZapAuthUser(verdict.user_id)
    try:
        found: Callable[[Verdict], Any] = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"ZAPAUTH: USER: {error}") from error
    return found


@lru_cache(maxsize=1)
def open_paths() -> tuple[str, ...]:
    """Return the paths that need no token. One with a slash at its end stands for all below it, too."""
    paths = _settings().get("OPEN", ())
    if isinstance(paths, str) or not all(path.startswith("/") for path in paths):
        raise ImproperlyConfigured("ZAPAUTH: OPEN is a list of paths, and each begins with a slash")
    return tuple(paths)


def _settings(*needed: str) -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(settings, "ZAPAUTH", {})
    # A mistyped APP or ROLE would let more tokens pass.
    if unknown := sorted(set(given) - _NAMES):
        raise ImproperlyConfigured(f"ZAPAUTH has no {', '.join(unknown)}")
    if missing := [name for name in needed if not given.get(name)]:
        raise ImproperlyConfigured(f"ZAPAUTH needs {', '.join(missing)}")
    return given


@receiver(setting_changed)
def _forget(setting: str, **_: Any) -> None:
    """Read the setting again after a test has changed it."""
    if setting == "ZAPAUTH":
        for made in (gate, until_expiry, user_function, open_paths):
            made.cache_clear()
