"""Read a user agent: which program, system and model it names.

A client can send any text. So nothing here proves what a client is, and every text that comes out is short and clean:
`clean` removes what could change the text around it.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from ua_parser import OS, Device, UserAgent, parse

LONGEST = 60
_REMEMBERED = 4096
_MARKS_IN_A_ROW = 2
_FIRST = re.compile(r"\s*([^/();]{1,100})(?:/v?(\d[\w.]*))?")
_NAMED = re.compile(r"([A-Za-z][\w.%-]*)/v?(\d[\w.]*)")
_ENGINES = {"mozilla", "applewebkit", "gecko", "khtml", "version", "mobile", "safari", "chrome", "build"}
_NO_MODELS = {None, "K", "Mac", "iOS-Device", "Smartphone", "Desktop"}
_BROWSERS = {
    "Mobile Safari": "Safari",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
}
# Parts of an app that show web pages. The user agent does not name the app.
_IN_APPS = {"Mobile Safari UI/WKWebView": "", "Chrome Mobile WebView": "Chrome"}
# Libraries that send requests for a program: what program it is, and the library's own name.
_LIBRARIES = {
    "okhttp": ("Android app", "okhttp"),
    "android-async-http": ("Android app", "android-async-http"),
    "dalvik": ("Android app", ""),
    "cfnetwork": ("iPhone app", "CFNetwork"),
    "dart": ("Flutter app", "Dart"),
    "unityplayer": ("Unity app", "Unity"),
    "python-requests": ("Python program", "requests"),
    "python-httpx": ("Python program", "httpx"),
    "python-urllib": ("Python program", "urllib"),
    "python": ("Python program", ""),
    "axios": ("JavaScript program", "axios"),
    "node-fetch": ("JavaScript program", "node-fetch"),
    "undici": ("JavaScript program", "undici"),
    "node": ("JavaScript program", "Node.js"),
    "nodejs": ("JavaScript program", "Node.js"),
    "guzzle": ("PHP program", "Guzzle"),
    "guzzlehttp": ("PHP program", "Guzzle"),
    "ruby": ("Ruby program", ""),
    "go-http-client": ("Go program", ""),
    "java": ("Java program", "Java"),
    "apache-httpclient": ("Java program", "Apache HttpClient"),
    "nativehost": ("Windows Phone app", ""),
    "curl": ("", "curl"),
    "wget": ("", "Wget"),
    "postmanruntime": ("", "Postman"),
}


@dataclass(frozen=True)
class Agent:
    """The facts in a user agent. Each text is "" if it is not known.

    Args:
        program: the app or browser that it names, such as "Safari".
        kind: what kind of program it is, if it names none: "Android app".
        library: the library that sends the requests, with its version: "okhttp 4.9".
        system: the operating system, without its version.
    """

    program: str = ""
    version: str = ""
    kind: str = ""
    library: str = ""
    system: str = ""
    system_version: str = ""
    model: str = ""


def clean(text: str, most: int = LONGEST) -> str:
    """Return ``text`` on one line, in at most ``most`` characters, without characters that change how others look.

    Those are control characters, characters that reverse the direction of the text, and piles of accents.
    """
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text[: 10 * most]):
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category[0] in "CZ":
            kept.append(" ")
        elif marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    short = " ".join("".join(kept).split())
    return short if len(short) <= most else short[: most - 1].rstrip() + "…"


def number(*parts: str | None) -> str:
    """Return a version in at most two parts: "17.1"."""
    return ".".join(part[:6] for part in parts[:2] if part and part.isascii() and part.isalnum())


@lru_cache(maxsize=_REMEMBERED)
def read_user_agent(text: str) -> Agent:
    """Return what a user agent says. A new one takes some milliseconds, because ua-parser tries many expressions."""
    if not text.strip():
        return Agent()
    found = parse(text)
    system, system_version = _system(found.os, found.user_agent, text)
    facts = {"system": system, "system_version": system_version, "model": _model(found.device)}
    if text.lstrip().lower().startswith("mozilla/"):
        return _browser(found.user_agent, text, facts)
    return _program(text, facts)


def _browser(found: UserAgent | None, text: str, facts: dict[str, str]) -> Agent:
    family = found.family if found else "Other"
    if family in _IN_APPS or family in ("Other", "Android"):
        named = [match for match in _NAMED.finditer(text) if match[1].lower() not in _ENGINES]
        if named:
            return Agent(clean(named[-1][1]), _short(named[-1][2]), **facts)
    if found is None or family in ("Other", "Android"):
        return Agent(**facts)
    version = _whole(number(found.major, found.minor))
    if family in _IN_APPS:
        return Agent(kind=f"{_maker(facts)} app", library=f"{_IN_APPS[family]} {version}".strip(), **facts)
    return Agent(clean(_BROWSERS.get(family, family)), version, **facts)


def _program(text: str, facts: dict[str, str]) -> Agent:
    """Read a user agent that no browser sends: it begins with the name of an app or of a library."""
    first = _FIRST.match(text)
    name, version = (clean(unquote(first[1])), _short(first[2] or "")) if first else ("", "")
    library = _LIBRARIES.get(name.lower())
    if library is not None:
        kind, known_as = library
        if not kind:
            return Agent(known_as, version, **facts)
        return Agent(kind=kind, library=f"{known_as} {version}".strip() if known_as else "", **facts)
    # A single word without a version is no name: scanners send such texts.
    return Agent(name, version, **facts) if version else Agent(**facts)


def _system(found: OS | None, browser: UserAgent | None, text: str) -> tuple[str, str]:
    """Return the system and its version. Browsers send a fixed version of some systems: that one is left out."""
    if found is None or found.family == "Other":
        return "", ""
    family = "macOS" if found.family == "Mac OS X" else clean(found.family)
    version = _whole(number(found.major, found.minor))
    if family == "macOS" and version == "10.15":
        return family, ""
    if family == "Windows" and version == "10":
        return family, "10 or 11"
    if family == "Android" and "Android 10; K)" in text:
        return family, ""
    is_safari = browser is not None and browser.family == "Mobile Safari"
    if family == "iOS" and is_safari and browser and found.major == "18" and browser.major not in ("18", None):
        return family, ""
    return family, version


def _model(found: Device | None) -> str:
    if found is None or found.brand is None or found.model in _NO_MODELS:
        return ""
    model = found.model or ""
    is_told = found.brand == "Apple" or found.brand.startswith("Generic") or model.startswith(found.brand)
    return clean(model if is_told else f"{found.brand} {model}")


def _maker(facts: dict[str, str]) -> str:
    if facts["system"] == "iOS":
        return "iPad" if facts["model"].startswith("iPad") else "iPhone"
    return facts["system"] or "Mobile"


def _short(version: str) -> str:
    return number(*version.split("."))


def _whole(version: str) -> str:
    """Return the version of a browser or system as people know it: "120" and not "120.0"."""
    return version.removesuffix(".0")
