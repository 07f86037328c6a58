"""What the queue stores for a job: its name and arguments, encrypted, with the time when it expires."""

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from users.sealing import CannotUnseal, Purpose, seal_bytes, unseal_bytes


@dataclass(frozen=True)
class Call:
    """One call of a job's function, with its arguments. ``expires_at`` is a time of the database's clock.

    ``request_id`` is the id of the request that caused the job, or empty.
    """

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    expires_at: datetime
    request_id: str = ""

    def sealed(self) -> str:
        """Encrypt and authenticate the whole call.

        The name is included. Otherwise somebody could give these arguments to another job.
        """
        facts = {
            "name": self.name,
            "args": self.args,
            "kwargs": self.kwargs,
            "expires_at": self.expires_at.timestamp(),
            "request_id": self.request_id,
        }
        packed = zlib.compress(json.dumps(facts).encode())  # it makes a mail five times smaller
        return urlsafe_b64encode(seal_bytes(packed, Purpose.JOB)).decode()

    @classmethod
    def unsealed(cls, text: str) -> Self:
        """Decrypt what `sealed` returned. Raises: CannotUnseal, also if another version has stored the text."""
        try:
            facts = json.loads(zlib.decompress(unseal_bytes(urlsafe_b64decode(text), Purpose.JOB)))
            return cls(**facts | {"expires_at": datetime.fromtimestamp(facts["expires_at"], UTC)})
        except (KeyError, TypeError, ValueError, zlib.error):
            raise CannotUnseal from None
