"""Take a valid token of ours apart."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from django.conf import settings

from sessions.tokens.keys import key_ring


def base64_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


@dataclass(frozen=True)
class Genuine:
    """A valid token in parts, so that a test can put it together wrongly."""

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
        raws = [part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode() for part in parts]
        signed = ".".join(base64_of(raw) for raw in raws)
        return f"{signed}.{base64_of(signature(signed.encode()) if callable(signature) else signature)}"

    def signed(self, *, key: EllipticCurvePrivateKey | None = None, header: Any = None, claims: Any = None) -> str:
        """Sign as the service does, with its key unless ``key`` is given."""
        key = key or key_ring(settings.SIGNING_KEYS).signing
        es256 = jwt.get_algorithm_by_name("ES256")
        return self.joined(lambda text: es256.sign(text, key), header=header, claims=claims)

    def claiming(self, **claims: Any) -> str:
        return self.signed(claims=self.claims | claims)

    def headed(self, **header: Any) -> str:
        return self.signed(header=self.header | header)
