"""The id of the request that this thread answers, or for which it does a job."""

from contextvars import ContextVar

# It is empty outside of requests, for example in a command.
request_id: ContextVar[str] = ContextVar("request_id", default="")
