"""The rows that a dry run must not change."""

from typing import Any

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import BulkRun, Session
from users.models import App, DeviceToken, OneTimeCode, User

_MODELS = (App, User, Session, BulkRun, DeviceToken, OneTimeCode, OutstandingToken, BlacklistedToken)


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables that a logout or a prune can change."""
    return {model.__name__: list(model._base_manager.order_by("pk").values()) for model in _MODELS}
