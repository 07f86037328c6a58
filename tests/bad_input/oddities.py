"""Bodies and headers that are wrong, or only look wrong."""

import json

# These are not JSON, or not JSON by RFC 8259.
NOT_JSON = {
    "half an object": b'{"a"',
    "half a string": b'{"a": "b',
    "single quotes": b"{'a': 1}",
    "a trailing comma": b'{"a": 1,}',
    "two objects": b"{} {}",
    "a comment": b"{} // all",
    "blanks only": b" \r\n\t",
    "a form": b"a=1&b=2",
    "100,000 opening brackets": b"[" * 100_000,
    "50,000 nested arrays": b"[" * 50_000 + b"]" * 50_000,
    "15,000 nested objects": b'{"a":' * 15_000 + b"1" + b"}" * 15_000,
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a NUL in a string": b'{"a": "\0"}',
    "a NUL": b"\0",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a BOM": '{"a": 1}'.encode("utf-16-be"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "two BOMs": '\ufeff\ufeff{"a": 1}'.encode(),
}
# This is not UTF-8. Buddy reads it as the Latin-1 of the Android client.
NOT_UTF8 = {
    "invalid UTF-8": b'{"a": "\xff"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "an overlong NUL": b'{"a": "\xc0\x80"}',
}
# These are JSON, but not an object.
NO_OBJECT = ['"text"', '""', "7", "-0.5", "true", "false", "[1]", "[{}]", '["deviceToken"]']
LIMIT = 128 * 1024

# No text field of either dialect accepts these values.
NO_TEXT = [True, False, [], ["x"], [[]], {}, {"a": "b"}]
UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"]
# Characters that nobody sees: control characters, line separators, marks of direction, a space without width.
INVISIBLE = ["\x01", "\x0b", "\x1b", "\x7f", "\x85", "\n", "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff"]
# The deepest nesting that the parser accepts.
DEEP = json.loads("[" * 800 + "]" * 800)
LIKE_SQL = ["' OR 1=1 --", "'; DROP TABLE users_user; --", '" OR ""="', "%", "_%", "\\", "+' OR 1=1", "%@%"]

FORM = "application/x-www-form-urlencoded"
MANY_FIELDS = "&".join(f"a{number}=1" for number in range(5000)).encode()
# Content types of JSON, with any parameters.
ODD_JSON_TYPES = [
    "application/json;charset=utf-8",
    "APPLICATION/JSON; Charset=UTF-8",
    " application/json ",
    "application/json;;;",
    *[f"application/json; charset={name}" for name in ("latin-1", "nonsense", "hex", "undefined", "", '"', "é")],
    "application/json; " + "x" * 5000,
]
# Content types that neither dialect accepts, each with a body of its own or the good one.
FOREIGN_TYPES = {
    **dict.fromkeys(["text/plain", "text/json", "application/jsonx", "application/octet-stream", "application/*"]),
    **dict.fromkeys(["x" * 20_000, "application/json, text/plain", "*/*", "application", "json", ";charset=utf-8"]),
    **dict.fromkeys([";", "é"]),
    "multipart/form-data": b"--x\r\n\r\n",
    "multipart/form-data; boundary=x": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
}

FOREIGN_HOSTS = ["evil.example", "a b", "[::1", "localhost:port", "", "é", "x" * 10_000, "evil\\@localhost"]
ODD_HEADERS = [
    ("X-Something", "x" * 1_000_000),
    ("User-Agent", "é\xff" * 10_000),
    ("X-Forwarded-For", "fe80::1%eth0, " * 1000),
    ("Cookie", 'csrftoken=x; sessionid="\\777"; =;;; é'),
    ("Origin", "http://["),
    ("Accept", "nothing/at-all;q=x"),
    ("Content-Disposition", "x; filename*=nonsense''x"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("If-Modified-Since", "yesterday"),
    ("Range", "bytes=x"),
]
# Values that a proxy could forward. `ip_address` or the database accept some of them.
ODD_ADDRESSES = ["fe80::1%eth0", "::1%" + "x" * 100, "1.2.3.4:5", "", "é", "1" * 1000, "::ffff:1.2.3.4", "2001:db8::1"]
