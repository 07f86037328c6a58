"""The names of clients on the pages for staff and users."""

import unicodedata

import pytest

from sessions.client_names import client_name, client_of, long_client_name
from sessions.models import Session
from sessions.user_agents import LONGEST
from users.models import Device

SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)
BROWSERS = {
    SAFARI: "Safari 17.1 on iOS 17.1",
    # Safari 26 says that it runs on iOS 18.6, whatever the version is.
    SAFARI.replace("17_1", "18_6").replace("Version/17.1", "Version/26.0"): "Safari 26 on iOS",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 "
    "Safari/605.1.15": "Safari 17.1 on macOS",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36": "Chrome 120 on Linux",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile "
    "Safari/537.36": "Chrome 119 on Android",
    "Mozilla/5.0 (Windows NT 10.0; rv:120.0) Gecko/20100101 Firefox/120.0": "Firefox 120 on Windows 10 or 11",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36 "
    "Edg/119.0.0.0": "Edge 119 on Windows 10 or 11",
}
APPS = {
    "okhttp/4.9.3": "Android app (okhttp 4.9)",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-S911B Build/TP1A.220624.014)": "Android app on Android 13",
    "My%20App/3.2 CFNetwork/1410.0.3 Darwin/22.6.0": "My App 3.2 on iOS 16",
    "CFNetwork/1410.0.3 Darwin/22.6.0": "iPhone app (CFNetwork 1410.0) on iOS 16",
    "MyApp/1.0 (com.example.myapp; build:1; iOS 17.1.0) Alamofire/5.8.1": "MyApp 1.0 on iOS 17.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148": "iPhone app on iOS 17.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) TheApp/7": "TheApp 7 on iOS 17",
    "Mozilla/5.0 (Linux; Android 13; Pixel 8 Build/X; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/119.0.0.0 Mobile Safari/537.36": "Android app (Chrome 119) on Android 13",
    "Dart/3.1 (dart:io)": "Flutter app (Dart 3.1)",
}
PROGRAMS = {
    "python-requests/2.31.0": "Python program (requests 2.31)",
    "curl/8.4.0": "curl 8.4",
    "axios/1.6.2": "JavaScript program (axios 1.6)",
    "Go-http-client/1.1": "Go program",
    "PostmanRuntime/7.36.0": "Postman 7.36",
}
BUDDYS_SDKS = {
    "android-async-http/1.4.8 (http://loopj.com/android-async-http)": "Android app (android-async-http 1.4)",
    "PhotoGallery/1.0 (iPhone; iOS 8.4; Scale/2.00)": "PhotoGallery 1.0 on iOS 8.4",
    "Guzzle/5.3.0 curl/7.43.0 PHP/5.6.12": "PHP program (Guzzle 5.3)",
    "python-requests/2.9.1": "Python program (requests 2.9)",
    "Ruby": "Ruby program",
    "nodejs": "JavaScript program (Node.js)",
}
UNKNOWN = {"": "unknown", "   ": "unknown", "nonsense": "unknown", "Mozilla/5.0": "unknown", "/1.0": "unknown"}
NAMES = BROWSERS | APPS | PROGRAMS | BUDDYS_SDKS | UNKNOWN


@pytest.mark.parametrize(("user_agent", "name"), NAMES.items())
def test_a_user_agent_gets_a_name_that_people_understand(user_agent, name):
    assert client_name(Session(user_agent=user_agent)) == name


@pytest.mark.parametrize(
    ("user_agent", "registered", "name"),
    [
        (
            "okhttp/4.9.3",
            {"platform": "Android", "model": "Pixel 8", "os_version": "14", "app_version": "3.2"},
            "Android app 3.2 (okhttp 4.9) on Android 14, Pixel 8",
        ),
        (
            "PhotoGallery/1.0 (iPhone; iOS 8.4; Scale/2.00)",
            {"platform": "iOS", "model": "iPhone7,2", "os_version": "8.4"},
            "PhotoGallery 1.0 on iOS 8.4, iPhone7,2",
        ),
        ("", {"platform": "iOS", "model": "iPad7,2"}, "iPad app on iOS, iPad7,2"),
        ("", {"platform": ".NET", "os_version": "Microsoft Windows NT 6.3.9600.0"}, ".NET app on Windows 8.1"),
        ("Ruby", {"platform": "Ruby"}, "Ruby program"),
        (
            "python-requests/2.9.1",
            {"platform": "linux", "model": "BCM2708-000e", "os_version": "4.1.7+"},
            "Python program (requests 2.9) on Linux 4.1.7+, BCM2708-000e",
        ),
        # Buddy's SDK for JavaScript registers the browser's user agent as the model.
        ("", {"platform": "Javascript", "model": SAFARI}, "Safari 17.1 on iOS 17.1, iPhone"),
        (SAFARI, {"platform": "Javascript", "model": SAFARI}, "Safari 17.1 on iOS 17.1, iPhone"),
        ("", {"platform": "", "model": ""}, "unknown"),
        ("", {"platform": "Toaster", "model": "T-1000"}, "unknown app on Toaster, T-1000"),
    ],
)
def test_what_an_app_registered_about_its_device_is_part_of_the_name(user_agent, registered, name):
    assert long_client_name(Session(user_agent=user_agent, device=Device(**registered))) == name


def test_the_model_that_the_user_agent_names_is_in_the_long_name_only():
    session = Session(user_agent="Dalvik/2.1.0 (Linux; U; Android 13; SM-S911B Build/TP1A.220624.014)")
    assert client_name(session) == "Android app on Android 13"
    assert long_client_name(session) == "Android app on Android 13, Samsung SM-S911B"


HOSTILE = [
    "\u202eevil\u2066/1.2",
    "%E2%80%AEevil%00%0A/1.2 CFNetwork/1 Darwin/22",
    "a\x00b\x1b[31m\r\nSet-Cookie: x/1.0",
    "Mozilla/5.0 (iPhone; \u202e) \u202eevil/9.9",
    "Z" + "\u0301" * 400 + "/1.0",
    "x" * 512,
    "x" * 90 + "/" + "9" * 400,
    "(" * 512,
    "Linux; U; Android 1.1; " * 22,
    "\ud800/1.0",
    "\u2028line\u2029/1.0",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_client_gets_a_short_and_harmless_name(text):
    registered = Device(platform=text[:100], model=text, os_version=text[:100], app_version=text[:100])
    for session in (Session(user_agent=text), Session(user_agent=text, device=registered), Session(platform=text)):
        client = client_of(session)
        for shown in (client.name, client.long_name):
            assert len(shown) <= 5 * LONGEST
            assert not [sign for sign in shown if unicodedata.category(sign)[0] in "C" or sign in "\u2028\u2029"]
            assert "\u0301" * 3 not in shown
            shown.encode()


def test_a_user_agent_that_was_seen_before_is_not_parsed_again(monkeypatch):
    session = Session(user_agent="Seen/1.0 (iPhone; iOS 17.0)")
    name = client_name(session)
    monkeypatch.setattr("sessions.user_agents.parse", lambda _text: pytest.fail("parsed again"))
    assert client_name(session) == name
