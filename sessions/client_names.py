"""Name the client of a session for people: "Safari 17.1 on iOS 17.1", "Android app 3.2 (okhttp 4.9)", "unknown".

The name is made of what the client says about itself, so a client can say something false. The name is short and
harmless on a page, but do not put it into a mail: `sessions.mail`.
"""

import re
from dataclasses import dataclass

from sessions.models import Session
from sessions.user_agents import Agent, clean, number, read_user_agent
from users.models import Device

UNKNOWN = "unknown"
_APPS = {
    "android": "Android app",
    "ios": "iPhone app",
    "iphone": "iPhone app",
    "ipados": "iPad app",
    "windows": "Windows app",
    "macos": "Mac app",
    "mac os x": "Mac app",
    "linux": "Linux program",
    ".net": ".NET app",
    "ruby": "Ruby program",
    "python": "Python program",
    "php": "PHP program",
}
_SYSTEMS = {
    "android": "Android",
    "ios": "iOS",
    "iphone": "iOS",
    "ipados": "iPadOS",
    "windows": "Windows",
    "macos": "macOS",
    "mac os x": "macOS",
    "linux": "Linux",
}
_PHONES = {"android", "ios", "iphone", "ipados"}
_NO_SYSTEM = {"javascript", ".net", "ruby", "python", "php", "other"}
# A client in a browser registers the browser's user agent as the device's model: Buddy's SDK for JavaScript does.
_IN_BROWSER = "javascript"


@dataclass(frozen=True)
class Client:
    """A client: the app or browser, the system and the model, each with its version. "" if that is not known."""

    program: str
    system: str
    model: str

    @property
    def name(self) -> str:
        """The client in a few words, without the model."""
        if not self.program:
            return f"{UNKNOWN} app on {self.system}" if self.system else UNKNOWN
        # "Android app on Android" says nothing more.
        is_told = not self.system or self.program.startswith((f"{self.system} app", f"{self.system} program"))
        return self.program if is_told else f"{self.program} on {self.system}"

    @property
    def long_name(self) -> str:
        """The client with the model of the device."""
        return f"{self.name}, {self.model}" if self.model and self.model not in self.name else self.name


def client_name(session: Session) -> str:
    """Return the client in a few words: "Safari 17.1 on iOS 17.1". Load the session's `device` with it."""
    return client_of(session).name


def long_client_name(session: Session) -> str:
    """Return the client with its model: "Android app 3.2 (okhttp 4.9) on Android 14, Pixel 8"."""
    return client_of(session).long_name


def client_of(session: Session) -> Client:
    """Return the client of a session. What the app registered about its device counts more than the user agent."""
    device = session.device
    text = session.user_agent
    if device is not None and device.platform.lower() == _IN_BROWSER:
        agent, device = read_user_agent(text or device.model), None
    else:
        agent = read_user_agent(text)
    # Without a device, the platform of a session is a part of the user agent.
    platform = device.platform if device else agent.system or session.platform
    if platform.lower() == _IN_BROWSER:
        platform = ""
    model = clean(device.model) if device and device.model else agent.model
    return Client(_program(agent, device, platform, model), _system(agent, device, platform), model)


def _program(agent: Agent, device: Device | None, platform: str, model: str) -> str:
    version = clean(device.app_version, 20) if device else ""
    if agent.program:
        return f"{agent.program} {agent.version or version}".strip()
    of_platform = _APPS.get(platform.lower(), "")
    if of_platform == "iPhone app" and model.startswith("iPad"):
        of_platform = "iPad app"
    # A phone's registration counts more than the library, which other systems have, too.
    kind = of_platform if of_platform and device and platform.lower() in _PHONES else agent.kind or of_platform
    if not kind:
        return ""
    library = f" ({agent.library})" if agent.library else ""
    return f"{kind} {version}".strip() + library


def _system(agent: Agent, device: Device | None, platform: str) -> str:
    version = clean(device.os_version, 30) if device else ""
    known = _SYSTEMS.get(platform.lower(), "" if platform.lower() in _NO_SYSTEM else clean(platform, 30))
    if not known:
        return _windows(version) or f"{agent.system} {agent.system_version}".strip()
    if version:
        return _windows(version) or (version if version.lower().startswith(known.lower()) else f"{known} {version}")
    return f"{known} {agent.system_version}" if agent.system_version and agent.system == known else known


def _windows(version: str) -> str:
    """Return the system of "Microsoft Windows NT 6.3.9600.0", which .NET sends; "" if it is not like that."""
    found = re.search(r"Windows NT (\d+)\.(\d+)", version)
    if found is None:
        return ""
    numbers = {"6.1": "7", "6.2": "8", "6.3": "8.1", "10": "10 or 11"}
    given = number(found[1], found[2])
    return f"Windows {numbers.get(given, f'NT {given}')}"
