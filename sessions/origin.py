from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where an order came from, for the record: a request, or a command (all empty)."""

    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""
