"""Bad input for both dialects, and what an answer to it has to look like."""

import hmac
import json
import logging
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest import mock
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import connection, transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.keys import key_ring, thumbprint
from sessions.models import Session
from sessions.tokens import CLAIMS
from tests.phones import Phone, Reply
from users.models import App, Device, DeviceToken, User
from zapauth.request_facts import RequestIdFilter

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

# --- requests ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A request that is good as it stands; a test breaks one thing of it at a time."""

    phone: Phone
    method: str
    path: str
    body: dict[str, Any] | None = None
    token: str | None = None

    def send(
        self, content: bytes | None = None, *, kind: str | None = "application/json", **headers: str | None
    ) -> Reply:
        """Send it with ``content`` for its body. A header that is None is left out."""
        if content is None and self.body is not None:
            content = json.dumps(self.body).encode()
        given = {"Authorization": f"{self.phone.scheme} {self.token}" if self.token else None}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given["Content-Type"] = kind if content is not None else None
        sent = {name: value for name, value in given.items() if value is not None}
        return self.phone.send(self.method, self.path, headers=sent, content=content)

    def but(self, **changed: Any) -> "Call":
        return replace(self, **changed)

    def with_fields(self, **fields: Any) -> "Call":
        return self.but(body=(self.body or {}) | fields)

    def without(self, *names: str) -> "Call":
        return self.but(body={name: value for name, value in (self.body or {}).items() if name not in names})


# --- answers -----------------------------------------------------------------------------------


def zap_error(reply: Reply) -> tuple[int, str]:
    """Status and code of a ZAP error; fails when it is not a complete one."""
    body = reply.json
    assert reply.headers["content-type"] == "application/json; charset=utf-8", reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert SANE_ID.fullmatch(reply.headers["x-request-id"]), reply
    assert {"success", "message", "code"} <= body.keys() <= {"success", "message", "code", "errors"}, reply
    assert body["success"] is False, reply
    assert isinstance(body["message"], str), reply
    assert body["message"], reply
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", body["code"]), reply
    if "errors" in body:
        assert body["errors"], reply
        assert all(texts and all(isinstance(text, str) for text in texts) for texts in body["errors"].values()), reply
    assert reply.status in (400, 401, 403, 404, 405, 422, 429, 500), reply
    assert reply.headers.get("www-authenticate", "").startswith("Bearer ") == (reply.status == 401), reply
    return reply.status, body["code"]


def zap_fields(reply: Reply) -> tuple[int, str, list[str]]:
    """Status, code and the fields at fault."""
    return *zap_error(reply), list(reply.json.get("errors", {}))


def zap_success(reply: Reply) -> Any:
    """The data of a ZAP success; fails when it is none."""
    assert reply.status in (200, 201), reply
    assert reply.headers["content-type"] == "application/json; charset=utf-8", reply
    assert SANE_ID.fullmatch(reply.headers["x-request-id"]), reply
    assert reply.json["success"] is True, reply
    return reply.json["data"]


# The contract's table: the number and the statuses of each error.
BUDDY_ERRORS = {
    "AuthFailed": (0x100, {401}),
    "AuthSignatureInvalid": (0x102, {401}),
    "AuthAccessTokenInvalid": (0x104, {401}),
    "AuthAppCredentialsInvalid": (0x105, {401}),
    "AuthBadUsernameOrPassword": (0x106, {401}),
    "AuthUserAccessTokenRequired": (0x107, {403}),
    "AuthUserAccountDisabled": (0x108, {403}),
    "ParameterMissingRequiredValue": (0x201, {400}),
    "ParameterOutOfRange": (0x202, {400}),
    "ParameterIncorrectFormat": (0x203, {400}),
    "OperationNotFound": (0x204, {404, 405}),
    "ItemDoesNotExist": (0x301, {404}),
    "ItemAlreadyExists": (0x302, {400}),
    "ObjectPermissionDenied": (0x303, {403}),
    "InternalServerError": (0x500, {500}),  # not of the table, which has none for a fault of the server
}


def buddy_error(reply: Reply) -> tuple[int, str]:
    """Status and name of a Buddy error; fails when it is not a complete one."""
    body = reply.json
    _check_buddy(reply)
    assert body.keys() == {"status", "error", "errorNumber", "message", "request_id", "success"}, reply
    assert body["success"] is False, reply
    assert isinstance(body["message"], str), reply
    assert body["message"], reply
    number, statuses = BUDDY_ERRORS[body["error"]]
    assert body["errorNumber"] == number, reply
    assert reply.status in statuses, reply
    assert reply.headers.get("www-authenticate", "").startswith("Buddy ") == (reply.status == 401), reply
    return reply.status, body["error"]


def buddy_success(reply: Reply) -> Any:
    """The result of a Buddy success; fails when it is none."""
    assert reply.status in (200, 201), reply
    _check_buddy(reply)
    assert reply.json.keys() == {"status", "result", "request_id", "success"}, reply
    assert reply.json["success"] is True, reply
    assert reply.json["result"] is not None, reply
    return reply.json["result"]


def _check_buddy(reply: Reply) -> None:
    assert reply.headers["content-type"] == "application/json", reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert reply.json["status"] == reply.status, reply
    assert UUID.fullmatch(reply.json["request_id"]), reply
    assert reply.json["request_id"] == reply.headers["x-request-id"], reply


def is_documented(reply: Reply, dialect: str) -> bool:
    """Whether it is a success or an error of the client's, in the dialect's shape; fails when it has none."""
    error, success = {"zap": (zap_error, zap_success), "buddy": (buddy_error, buddy_success)}[dialect]
    (success if reply.status < 400 else error)(reply)
    return reply.status < 500


# --- what must not change ------------------------------------------------------------------------

_WATCHED = (App, User, Device, DeviceToken, Session, OutstandingToken, BlacklistedToken)


def everything() -> dict[str, Any]:
    """Each row of each table that a request could change, in one statement."""
    tables = [model._meta.db_table for model in _WATCHED]
    # Names of tables only, and those from the models.
    columns = ", ".join(f'(SELECT json_agg(t ORDER BY id) FROM "{table}" t)' for table in tables)  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


class Untouched:
    """Called after bad input: no row has changed since this was made."""

    def __init__(self) -> None:
        self.before = everything()

    def __call__(self) -> None:
        assert everything() == self.before


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back, and an error in the database spoils nothing after it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- bodies ------------------------------------------------------------------------------------

# Not JSON at all, or not the JSON of RFC 8259.
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
    "invalid UTF-8": b'{"a": "\xff"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "an overlong NUL": b'{"a": "\xc0\x80"}',
    "a NUL in a string": b'{"a": "\0"}',
    "a NUL": b"\0",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a BOM": '{"a": 1}'.encode("utf-16-be"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "two BOMs": '\ufeff\ufeff{"a": 1}'.encode(),
}
# JSON, but no object.
NO_OBJECT = ['"text"', '""', "7", "-0.5", "true", "false", "[1]", "[{}]", '["deviceToken"]']
LIMIT = 128 * 1024

# What no field that is text takes in either dialect.
NO_TEXT = [True, False, [], ["x"], [[]], {}, {"a": "b"}]
UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"]

# --- headers -----------------------------------------------------------------------------------

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
# What a proxy of ours could forward, and `ip_address` or the database take or not.
ODD_ADDRESSES = ["fe80::1%eth0", "::1%" + "x" * 100, "1.2.3.4:5", "", "é", "1" * 1000, "::ffff:1.2.3.4", "2001:db8::1"]
# Content types of JSON, whatever they say besides.
ODD_JSON_TYPES = [
    "application/json;charset=utf-8",
    "APPLICATION/JSON; Charset=UTF-8",
    " application/json ",
    "application/json;;;",
    *[f"application/json; charset={name}" for name in ("latin-1", "nonsense", "hex", "undefined", "", '"', "é")],
    "application/json; " + "x" * 5000,
]
MANY_FIELDS = "&".join(f"a{number}=1" for number in range(5000)).encode()
# Content types that neither dialect takes, each with a body of its own or the good one.
FOREIGN_TYPES = {
    **dict.fromkeys(["text/plain", "text/json", "application/jsonx", "application/octet-stream", "application/*"]),
    **dict.fromkeys(["x" * 20_000, "application/json, text/plain", "*/*", "application", "json", ";charset=utf-8"]),
    **dict.fromkeys([";", "é"]),
    "multipart/form-data": b"--x\r\n\r\n",
    "multipart/form-data; boundary=x": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
}

# --- tokens ------------------------------------------------------------------------------------


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


@cache
def _foreign_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass(frozen=True)
class Genuine:
    """A genuine token of ours, taken apart so that it can be put together wrongly."""

    raw: str

    @property
    def header(self) -> dict[str, Any]:
        return json.loads(_bytes(self.raw.split(".")[0]))

    @property
    def claims(self) -> dict[str, Any]:
        return json.loads(_bytes(self.raw.split(".")[1]))

    @property
    def signature(self) -> bytes:
        return _bytes(self.raw.split(".")[2])

    def joined(self, signature: bytes | Callable[[bytes], bytes], *, header: Any = None, claims: Any = None) -> str:
        parts = [self.header if header is None else header, self.claims if claims is None else claims]
        raws = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
        signed = ".".join(_base64(raw) for raw in raws)
        return f"{signed}.{_base64(signature(signed.encode()) if callable(signature) else signature)}"

    def signed(self, *, key: EllipticCurvePrivateKey | None = None, header: Any = None, claims: Any = None) -> str:
        """Signed as ours are, by our own key unless ``key`` is another."""
        key = key or key_ring(settings.SIGNING_KEYS).signing
        es256 = jwt.get_algorithm_by_name("ES256")
        return self.joined(lambda text: es256.sign(text, key), header=header, claims=claims)

    def claiming(self, **claims: Any) -> str:
        return self.signed(claims=self.claims | claims)

    def headed(self, **header: Any) -> str:
        return self.signed(header=self.header | header)


def _hs256_with_public_key(token: Genuine) -> str:
    public = key_ring(settings.SIGNING_KEYS).signing.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return token.joined(lambda text: hmac.digest(pem, text, "sha256"), header=token.header | {"alg": "HS256"})


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def _id_of_another(model: type[App] | type[User], own: str) -> str:
    return model._default_manager.exclude(pk=own).values_list("pk", flat=True)[0]


# A token of ours spoilt in one way. `App` and `User` need a second row each.
FORGERIES: dict[str, Callable[[Genuine], str]] = {
    "garbage": lambda _: "garbage",
    "dots": lambda _: "..",
    "three words": lambda _: "a.b.c",
    "not ASCII": lambda _: "é.é.é",
    "of brackets": lambda token: token.joined(b"x", header=b"[" * 2000),
    **{
        f"whose header is {raw!r}": lambda token, raw=raw: token.signed(header=raw)
        for raw in (b"[]", b"7", b"null", b'"x"', b"", b"{", b"\xff", b"{}", b'{"alg": "ES256"}')
    },
    "whose payload is no object": lambda token: token.signed(claims=b"[]"),
    "whose payload is not JSON": lambda token: token.signed(claims=b"{"),
    "cut off": lambda token: token.raw[:-10],
    "with more at its end": lambda token: token.raw + "AAAA",
    "with a fourth part": lambda token: token.raw + ".AAAA",
    "without its signature": lambda token: token.raw.rpartition(".")[0],
    "with an empty signature": lambda token: token.joined(b""),
    "with a signature of zeros": lambda token: token.joined(bytes(64)),
    "with a spoilt signature": lambda token: token.joined(_flipped(token.signature)),
    "with a spoilt payload": lambda token: token.joined(token.signature, claims=token.claims | {"exp": 9999999999}),
    **{
        f"with alg {alg!r}": lambda token, alg=alg: token.joined(b"", header=token.header | {"alg": alg})
        for alg in ("none", "None", "nOnE", "", None, 7, ["ES256"])
    },
    "with alg none and our signature": lambda token: token.joined(
        token.signature, header=token.header | {"alg": "none"}
    ),
    "with HS256 by the public key": _hs256_with_public_key,
    "by a foreign key in our name": lambda token: token.signed(key=_foreign_key()),
    "by a foreign key": lambda token: token.signed(
        key=_foreign_key(), header=token.header | {"kid": thumbprint(_foreign_key().public_key())}
    ),
    "by a foreign key that it carries": lambda token: token.signed(
        key=_foreign_key(),
        header=token.header | {"jwk": jwt.algorithms.ECAlgorithm.to_jwk(_foreign_key().public_key(), as_dict=True)},
    ),
    **{
        f"with kid {kid!r}": lambda token, kid=kid: token.headed(kid=kid)
        for kid in ("", "x", "../../dev/null", "' OR 1=1 --", None, 7, [], {})
    },
    "without a kid": lambda token: token.signed(header={"alg": "ES256", "typ": token.header["typ"]}),
    **{f"with typ {typ!r}": lambda token, typ=typ: token.headed(typ=typ) for typ in ("JWT", "AT+JWT", "", None, 7, [])},
    **{
        f"without {claim}": lambda token, claim=claim: token.signed(
            claims={name: value for name, value in token.claims.items() if name != claim}
        )
        for claim in CLAIMS
    },
    "of an unknown session": lambda token: token.claiming(sid=str(uuid4())),
    **{
        f"with sid {sid!r}": lambda token, sid=sid: token.claiming(sid=sid)
        for sid in ("", "x", "\0", "0" * 24, 7, None, True, [], {})
    },
    "for another app": lambda token: token.claiming(aud=_id_of_another(App, token.claims["aud"])),
    "for several apps": lambda token: token.claiming(aud=[token.claims["aud"]]),
    **{f"with aud {aud!r}": lambda token, aud=aud: token.claiming(aud=aud) for aud in ("", 7, None, {})},
    "of another user": lambda token: token.claiming(sub=_id_of_another(User, token.claims["sub"])),
    **{f"with sub {sub!r}": lambda token, sub=sub: token.claiming(sub=sub) for sub in ("", 7, None, [])},
    **{f"with iss {iss!r}": lambda token, iss=iss: token.claiming(iss=iss) for iss in ("", "others", 7, None, [])},
    **{
        f"with token_type {kind!r}": lambda token, kind=kind: token.claiming(token_type=kind)
        for kind in ("", "any", "other", 7, None, [])
    },
    **{f"with exp {exp!r}": lambda token, exp=exp: token.claiming(exp=exp) for exp in ("", "soon", None, [])},
    "that is not valid yet": lambda token: token.claiming(nbf=9999999999),
}


def bad_authorizations(scheme: str, token: str) -> dict[str, str | None]:
    """Headers which carry no token, by what is wrong with them."""
    return {
        "no header": None,
        "an empty header": "",
        "a blank": " ",
        "the scheme alone": scheme,
        "the scheme and a blank": f"{scheme} ",
        "the token alone": token,
        "another scheme": f"Basic {token}",
        "the scheme glued to the token": f"{scheme}{token}",
        "a comma for the blank": f"{scheme},{token}",
        "100,000 letters": "x" * 100_000,
    }


def monstrous_authorizations(scheme: str, token: str) -> dict[str, str]:
    """Headers with a token of the right scheme that is a monster."""
    return {
        "a token of 100,000 letters": f"{scheme} {'x' * 100_000}",
        "a token of 100,000 dots": f"{scheme} {'.' * 100_000}",
        "a good token with 100,000 letters more": f"{scheme} {token}{'A' * 100_000}",
        "a header of brackets": f"{scheme} {_base64(b'[' * 50_000)}.e30.e30",
    }


# --- arbitrary JSON ----------------------------------------------------------------------------

# With surrogates and NUL, and with some that grow or shrink when they are normalized.
_TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [
        "\ufdfa" * 100,
        "\u00a0",
        "\ufeff",
        "İ",
        "ß" * 150,
        "e\u0301" * 100,
        "x" * 150,
        "1" * 300,
        "/Date(0)/",
        "1,2",
        "a@b.cd",
    ]
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | _TEXT
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3))


def arbitrary_bodies(fields: set[str], good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any JSON; mostly objects with the fields that our routes look at, many of them good but for a few."""
    odd = st.dictionaries(st.sampled_from(sorted(fields)) | _TEXT, _SCALARS | _JSON, max_size=8)
    spoilt = st.dictionaries(st.sampled_from(sorted(fields)), _SCALARS, max_size=2).map(lambda few: good | few)
    return st.one_of(spoilt, odd, _JSON)


BOUNDED = hypothesis_settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# --- bugs --------------------------------------------------------------------------------------


@contextmanager
def failing(place: str, caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, str, str]]]:
    """Make that function raise; yields level, request id and exception of what is logged of it."""
    logged: list[tuple[str, str, str]] = []
    add_id = RequestIdFilter()
    caplog.handler.addFilter(add_id)
    try:
        with mock.patch(place, side_effect=RuntimeError("the inner secret")), caplog.at_level(logging.ERROR):
            yield logged
        bugs = [record for record in caplog.records if record.exc_info]
        logged += [(bug.levelname, bug.request_id, str(bug.exc_info[1])) for bug in bugs]
    finally:
        caplog.handler.removeFilter(add_id)
