"""Where a request came from: stored with a log-in or a logout."""

from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest


@dataclass(frozen=True)
class Origin:
    """Where an order came from. A command has no request, so all fields are empty."""

    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """Return the origin of a request. `zapauth.request_facts` has set its address and id."""
        return cls(
            ip=request.client_ip,  # type: ignore[attr-defined]
            # PostgreSQL can't store a NUL. Some servers accept it in a header; it must not cause an error here.
            user_agent=request.META.get("HTTP_USER_AGENT", "").replace("\0", ""),
            request_id=request.request_id,  # type: ignore[attr-defined]
        )


NOWHERE = Origin()
