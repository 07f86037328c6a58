from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest


@dataclass(frozen=True)
class Origin:
    """Where an order came from, for the record: a request, or a command (all empty)."""

    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The origin of a request that has its facts (`zapauth.request_facts`)."""
        return cls(
            ip=request.client_ip,  # type: ignore[attr-defined]
            # No header can hold a NUL; PostgreSQL takes none in a text.
            user_agent=request.META.get("HTTP_USER_AGENT", "").replace("\0", ""),
            request_id=request.request_id,  # type: ignore[attr-defined]
        )
