"""The check by the keys: RFC 9068 to the letter, keys that are fetched seldom and never used when they are old."""

import json
import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.client_packages.fake_gates import APP, SESSION, USER, answer, fake_gate
from zapauth_client import Forbidden, Refused, Unavailable
from zapauth_client.until_expiry import UntilExpiry

ISSUER = "https://auth.example.org"
KEY, OTHER, NEW = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
RSA = rsa.generate_private_key(65537, 2048)


def jwk(key, kid, **more):
    algorithm = RSAAlgorithm if key is RSA else ECAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid} | more


def token(key=KEY, algorithm="ES256", header=(), without=(), **claims):
    now = int(time.time())
    given = {"iss": ISSUER, "aud": APP, "sub": USER, "sid": SESSION, "jti": "1", "client_id": APP}
    given |= {"iat": now, "exp": now + 900, "token_type": "access"} | claims
    headers = {"typ": "at+jwt", "kid": "1"} | dict(header)
    for name in without:
        given.pop(name, None)
        headers.pop(name, None)
    # Not `jwt.encode`, which refuses some of the claims that an attacker could send.
    return jwt.api_jws.encode(json.dumps(given).encode(), key, algorithm, headers)


@pytest.fixture
def service():
    """A server with the keys `service.keys`. It answers 500 if they are None."""

    def answers(_):
        yield answer({"keys": server.keys}) if server.keys else answer({}, "500 Internal Server Error")

    with fake_gate(answers) as server:
        server.keys = [jwk(KEY, "1"), jwk(RSA, "rsa", alg="RS256"), jwk(OTHER, "encrypts", use="enc")]
        yield server


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock by which keys grow old: `clock(seconds)`."""
    moved = [0.0]
    real = time.monotonic
    monkeypatch.setattr("zapauth_client.keys.time.monotonic", lambda: real() + moved[0])

    def forward(seconds):
        moved[0] += seconds

    return forward


@pytest.fixture
def check(service):
    return UntilExpiry(service.url, issuer=ISSUER, app=APP).verify_until_expiry


def test_a_good_token_passes_and_says_that_nobody_was_asked(check, service):
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        verdict = check(token(header={"typ": typ}))
        assert (verdict.user_id, verdict.app_id, verdict.session_id) == (USER, APP, SESSION)
        assert (verdict.level, verdict.role, verdict.is_checked) == ("user", None, False)
    assert len(service.requests) == 1
    assert "authorization" not in service.requests[0].lower()


BAD = {
    "no type": lambda: token(without=["typ"]),
    "a JWT": lambda: token(header={"typ": "JWT"}),
    "a refresh token": lambda: token(header={"typ": "refresh+jwt"}),
    "no kid": lambda: token(without=["kid"]),
    "an unknown kid": lambda: token(header={"kid": "2"}),
    "a key for other work": lambda: token(OTHER, header={"kid": "encrypts"}),
    "RSA": lambda: token(RSA, "RS256", header={"kid": "rsa"}),
    "RSA by our key": lambda: token(RSA, "RS256"),
    # RFC 8725 §2.1
    "HMAC with the public key": lambda: token(jwk(KEY, "1")["x"], "HS256"),
    "no algorithm": lambda: token(None, "none"),
    "another key": lambda: token(OTHER),
    "critical": lambda: token(header={"crit": ["b64"], "b64": True}),
    "another issuer": lambda: token(iss="https://evil.example"),
    "several issuers": lambda: token(iss=[ISSUER]),
    "another app": lambda: token(aud=USER),
    "several apps": lambda: token(aud=[APP, USER]),
    "expired": lambda: token(iat=0, exp=900),
    "expires now": lambda: token(iat=int(time.time()) - 900, exp=int(time.time())),
    "lives too long": lambda: token(exp=int(time.time()) + 902),
    "lives for ever": lambda: token(exp=10**30, iat=10**30),
    "a session that is none": lambda: token(sid="1"),
    "a session that is a list": lambda: token(sid=[SESSION]),
    "another kind": lambda: token(token_type="refresh"),
    "a kind that is a list": lambda: token(token_type=["access"]),
    **{
        f"without {name}": (lambda name=name: token(without=[name]))
        for name in ("exp", "iat", "iss", "aud", "sub", "sid")
    },
    **{f"without {name}": (lambda name=name: token(without=[name])) for name in ("jti", "client_id", "token_type")},
    "empty": lambda: "",
    "no JWT": lambda: "a.b.c",
    "bytes": lambda: "\xff\ud800.\0.é",
    "long": lambda: token(more="x" * 9000),
}


@pytest.mark.parametrize("what", BAD)
def test_any_other_token_is_refused(check, what):
    with pytest.raises(Refused) as refused:
        check(BAD[what]())
    assert refused.value.challenge.startswith('Bearer realm="zapauth", error="invalid_token"')


def test_a_younger_clock_does_not_refuse_a_new_token(check):
    now = int(time.time())
    assert check(token(iat=now + 30, exp=now + 930)).user_id == USER


def test_level_lifetime_and_apps_are_what_the_service_says(service):
    apps = token(token_type="app_access", sub=APP)
    long = token(exp=int(time.time()) + 3600)
    by_default = UntilExpiry(service.url, issuer=ISSUER, app=APP)
    with pytest.raises(Forbidden):
        by_default.verify_until_expiry(apps)
    wide = UntilExpiry(service.url, issuer=ISSUER, app=[USER, APP], level=None, longest=timedelta(hours=1))
    verdict = wide.verify_until_expiry(apps)
    assert (verdict.user_id, verdict.level) == (None, "app")
    assert wide.verify_until_expiry(long).user_id == USER
    for wrong in ({"app": ""}, {"app": []}, {"issuer": ""}, {"level": "app"}):
        with pytest.raises(ValueError, match=r".+"):
            UntilExpiry(service.url, **{"issuer": ISSUER, "app": APP} | wrong)


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Bearer", "Bearer a b", "Token x"])
def test_a_header_without_one_token_is_refused(service, header):
    with pytest.raises(Refused):
        UntilExpiry(service.url, issuer=ISSUER, app=APP).check_until_expiry(header)
    assert service.requests == []


# --- the keys ----------------------------------------------------------------------------------------


def test_a_new_key_is_fetched_when_a_token_names_it_and_not_more_often_than_every_ten_seconds(check, service, clock):
    check(token())
    service.keys.append(jwk(NEW, "new"))
    clock(5)
    new = token(NEW, header={"kid": "new"})
    with pytest.raises(Unavailable):  # nobody knows
        check(new)
    clock(6)
    assert check(new).user_id == USER
    assert len(service.requests) == 2
    for number in range(20):
        with pytest.raises(Unavailable):
            check(token(header={"kid": str(number + 2)}))
    assert len(service.requests) == 2
    with pytest.raises(Refused):  # an expired token needs no key to be refused
        check(token(header={"kid": "old"}, iat=0, exp=900))


def test_a_withdrawn_key_is_forgotten_after_five_minutes(check, service, clock):
    check(token())
    service.keys = [jwk(NEW, "new")]
    clock(299)
    assert check(token()).user_id == USER
    clock(2)
    with pytest.raises(Refused):
        check(token())


def test_without_the_service_the_keys_work_for_ten_minutes_and_then_nobody_passes(check, service, clock):
    check(token())
    service.keys = None
    clock(595)
    assert check(token()).user_id == USER
    assert len(service.requests) == 2
    clock(10)
    with pytest.raises(Unavailable):
        check(token())
    service.keys = [jwk(KEY, "1")]
    clock(10)
    assert check(token()).user_id == USER


SETS = [
    b"<html>",
    b"[]",
    b"{}",
    b'{"keys": 1}',
    b'{"keys": [1]}',
    b'{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1"}]}',
]


@pytest.mark.parametrize("keys", [*SETS, b"[" * 60_000, b" " * 100_000], ids=range(8))
def test_whatever_is_no_set_of_keys_lets_nobody_pass(keys):
    with fake_gate(answer(keys)) as server, pytest.raises(Unavailable):
        UntilExpiry(server.url, issuer=ISSUER, app=APP).verify_until_expiry(token())
