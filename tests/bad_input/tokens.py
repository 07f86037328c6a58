"""Broken tokens of ours, and headers without a token."""

import hmac
import json
from collections.abc import Callable
from functools import cache
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from sessions.tokens.jwt import CLAIMS
from sessions.tokens.keys import key_ring, thumbprint
from tests.bad_input.genuine import Genuine, base64_of
from users.models import App, User


@cache
def _foreign_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def _hs256_with_public_key(token: Genuine) -> str:
    public = key_ring(settings.SIGNING_KEYS).signing.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return token.joined(lambda text: hmac.digest(pem, text, "sha256"), header=token.header | {"alg": "HS256"})


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def _id_of_another(model: type[App] | type[User], own: str) -> str:
    return model._default_manager.exclude(pk=own).values_list("pk", flat=True)[0]


# A way to break a valid token. `App` and `User` each need a second row.
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
    "whose header says the same in another way": lambda token: token.signed(header=json.dumps(token.header).encode()),
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
    """Headers without a token, by what is wrong with them."""
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
    """Headers with the right scheme and a huge or deeply nested token."""
    return {
        "a token of 100,000 letters": f"{scheme} {'x' * 100_000}",
        "a token of 100,000 dots": f"{scheme} {'.' * 100_000}",
        "a good token with 100,000 letters more": f"{scheme} {token}{'A' * 100_000}",
        "a header of brackets": f"{scheme} {base64_of(b'[' * 50_000)}.e30.e30",
    }
