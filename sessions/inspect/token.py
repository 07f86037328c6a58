"""Explain why a token or a cookie of our pages is accepted or refused now, rule by rule.

The token is neither stored nor logged.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.utils import datetime_from_epoch

from sessions.cookies import ACCOUNT_COOKIE, AccountStore, kind_of, session_id_in
from sessions.errors import SessionsError
from sessions.models import Refusal, Session
from sessions.tokens.jwt import ALGORITHM, AppAccessToken, RefreshToken, SessionToken, UserAccessToken
from sessions.tokens.keys import key_ring
from users.clock import database_now
from users.models import App, DeviceToken

_KINDS = {kind.token_type: kind for kind in (UserAccessToken, AppAccessToken, RefreshToken)}
_NAMES = {
    UserAccessToken.token_type: "access token of a user",
    AppAccessToken.token_type: "app-level access token",
    RefreshToken.token_type: "refresh token",
}
_RULES = {
    Refusal.ENDED: ("The session has not ended", "The session has ended"),
    Refusal.EXPIRED: ("The session has not expired", "The session has expired"),
    Refusal.IDLE: ("The session was used recently", "The session was not used for too long"),
    Refusal.APP_INACTIVE: ("The app is on", "The app is switched off"),
    Refusal.APP_CUT_OFF: ("The app has no cut-off after the log-in", "The app was cut off after the log-in"),
    Refusal.USER_INACTIVE: ("The account is enabled", "The account is disabled or deleted"),
    Refusal.USER_CUT_OFF: ("The user has no cut-off after the log-in", "The user was cut off after the log-in"),
    Refusal.NOT_STAFF: ("The user may use the app", "The app is the admin and the user is not staff any more"),
}
# The scheme before a token in a header. The header's name may come before it.
_SCHEME = re.compile(r"(authorization:\s*)?((bearer|buddy)\s+)?", re.IGNORECASE)
# Django's signed cookies have three parts: the data (compressed if it begins with a dot), a time, a signature.
_COOKIE = re.compile(r"\.?[\w-]+:\w+:[\w-]+", re.ASCII)
_COOKIE_HEADER = re.compile(r"^(cookie:\s*)?", re.IGNORECASE)
_PAGES = {App.Kind.ADMIN: "the admin", App.Kind.ACCOUNT: "the account page"}


@dataclass(frozen=True)
class Rule:
    """One rule, and whether the token satisfies it."""

    text: str
    kept: bool
    detail: str = ""


@dataclass
class Explanation:
    """The kind of a pasted text, and the rules that accept or refuse it now."""

    kind: str
    rules: list[Rule] = field(default_factory=list)
    session: Session | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    jti: str = ""

    @property
    def is_accepted(self) -> bool:
        return bool(self.rules) and all(rule.kept for rule in self.rules)

    @property
    def verdict(self) -> str:
        broken = next((rule for rule in self.rules if not rule.kept), None)
        if broken is not None:
            return f"refused: {broken.text}"
        return "accepted" if self.rules else "not one of our tokens"

    def ask(self, kept: Any, yes: str, no: str, detail: str = "") -> bool:
        self.rules.append(Rule(yes if kept else no, bool(kept), detail))
        return bool(kept)


def explain(raw: str) -> Explanation:
    """Explain ``raw``: a token, an `Authorization` or `Cookie` header, a cookie, or a device token."""
    raw = _SCHEME.sub("", raw.strip(), count=1)
    cookie = _cookie_in(raw)
    if cookie is not None:
        return _explain_cookie(cookie)
    try:
        header, claims = jwt.get_unverified_header(raw), jwt.decode(raw, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError):
        return _explain_other(raw)
    return _explain_token(raw, header, claims)


def _cookie_in(raw: str) -> SessionStore | None:
    """Find a cookie of one of our pages in ``raw``: its value, or a `Cookie` header. None: it is neither."""
    header = _COOKIE_HEADER.sub("; ", raw, count=1)
    for name, kind in ((settings.SESSION_COOKIE_NAME, SessionStore), (ACCOUNT_COOKIE, AccountStore)):
        _, found, rest = header.rpartition(f"; {name}=")
        value = rest.partition(";")[0].strip()
        if found and _COOKIE.fullmatch(value):
            return kind(value)
    if not _COOKIE.fullmatch(raw):
        return None
    account = AccountStore(raw)
    return account if session_id_in(account) else SessionStore(raw)


def _explain_cookie(store: SessionStore) -> Explanation:
    kind = kind_of(store)
    page = _PAGES[kind]
    found = Explanation(f"cookie of {page}")
    session_id = session_id_in(store)
    found.ask(session_id, "The signature is right", "The signature is wrong, too old, or not of such a cookie")
    if session_id is None:
        return found
    _find_session(found, session_id)
    session = found.session
    if session is not None and found.ask(session.app.kind == kind, f"Its app is {page}", f"Its app is not {page}"):
        _ask_rules(found, session)
    return found


def _explain_other(raw: str) -> Explanation:
    held = DeviceToken.objects.filter(digest=DeviceToken.digest_of(raw)).select_related("user", "device").first()
    if held is None:
        found = Explanation("unknown text")
        found.ask(False, "", "It is neither one of our tokens nor a known device token")
        return found
    found = Explanation("device token (a push address)")
    found.ask(
        held.user_id,
        "Pushes go to it",
        "It belongs to no user: no push goes to it",
        f"of {held.user}" if held.user else "",
    )
    return found


def _explain_token(raw: str, header: dict[str, Any], claims: dict[str, Any]) -> Explanation:
    token_type = str(claims.get("token_type"))
    found = Explanation(_NAMES.get(token_type, "a JWT of an unknown kind"), jti=str(claims.get("jti", "")))
    found.issued_at, found.expires_at = _time(claims.get("iat")), _time(claims.get("exp"))
    key = key_ring(settings.SIGNING_KEYS).verifying.get(str(header.get("kid", "")))
    if not found.ask(key, "The key is one of ours", "The key is not one of ours"):
        return found
    if not found.ask(_is_signed(raw, key), "The signature is right", "The signature is wrong"):
        return found
    token = _read(_KINDS.get(token_type, UserAccessToken), raw)
    found.ask(token, "Kind, issuer and claims are right", "Kind, issuer or claims are wrong", token_type)
    if token is None:
        return found
    late = token.is_expired(database_now())
    found.ask(not late, "The token has not expired", "The token has expired", _words(token.expires_at))
    if _find_session(found, token.session_id):
        _ask_session(found, token)
    return found


def _find_session(found: Explanation, session_id: UUID) -> bool:
    sessions = Session.objects.select_related("app", "user", "device", "ended_by")
    found.session = sessions.filter(pk=session_id).first()
    missing = "There is no such session, or none any more"
    return found.ask(found.session, "There is its session", missing, str(session_id))


def _ask_rules(found: Explanation, session: Session) -> None:
    for refusal, broken in session.rules(database_now()):
        detail = ""
        if refusal is Refusal.ENDED and broken:
            by = f", by {session.ended_by}" if session.ended_by else ""
            detail = f"{session.get_end_reason_display()}{by}, {_words(session.ended_at)}"
        found.ask(not broken, *_RULES[refusal], detail)


def _ask_session(found: Explanation, token: SessionToken) -> None:
    session, now = found.session, database_now()
    assert session is not None  # noqa: S101
    found.ask(token.speaks_for(session), "App and user are the session's", "App or user are not the session's")
    _ask_dialect(found, session, is_refresh=isinstance(token, RefreshToken))
    _ask_rules(found, session)
    if isinstance(token, RefreshToken):
        is_current = token["jti"] == session.refresh_jti
        detail = ""
        if token["jti"] == session.refresh_used_jti and session.refresh_used_at:
            until = session.refresh_used_at + settings.REFRESH_GRACE
            detail = f"the client that used it may repeat that until {_words(until)}" if until > now else ""
        found.ask(
            is_current,
            "It is the session's current refresh token",
            "It was used, and another one has replaced it",
            detail,
        )
        listed = BlacklistedToken.objects.filter(token__jti=token["jti"]).first()
        at = _words(listed.blacklisted_at) if listed else ""
        found.ask(not listed, "It is not blacklisted", "It is blacklisted", at)


def _ask_dialect(found: Explanation, session: Session, *, is_refresh: bool) -> None:
    """Add the rule about dialects. ZAP accepts tokens of its app only, Buddy access tokens with a device only."""
    is_zap, is_buddy = session.app.name == settings.ZAP_APP, session.device_id is not None and not is_refresh
    names = " and ".join(name for name, takes_it in (("ZAP", is_zap), ("Buddy", is_buddy)) if takes_it)
    signed = "its requests have to be signed" if is_buddy and session.app.sealed_secret else ""
    found.ask(names, f"{names} accepts it", f"No dialect accepts it: its app is not {settings.ZAP_APP}", signed)


def _is_signed(raw: str, key: Any) -> bool:
    try:
        jwt.PyJWS().decode(raw, key, algorithms=[ALGORITHM])
    except (jwt.InvalidTokenError, ValueError):
        return False
    return True


def _read(kind: type[SessionToken], raw: str) -> SessionToken | None:
    try:
        token = kind.read(raw)
        token.session_id  # noqa: B018  # raises if the id is not valid
    except SessionsError:
        return None
    return token


def _time(epoch: Any) -> datetime | None:
    try:
        return datetime_from_epoch(epoch)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _words(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
