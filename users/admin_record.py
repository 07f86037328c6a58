"""The record in the admin: who uses a form, and no second log of Django's."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from users.origin import Origin
from users.record.writing import By


def ordered_by(request: HttpRequest) -> By:
    """Return who ordered a change in the admin, and from where."""
    assert not isinstance(request.user, AnonymousUser)  # noqa: S101  # the admin refuses them
    return {"actor": request.user, "origin": Origin.of(request)}


class Recorded(ModelAdmin):
    """Base class of pages whose changes are in the record. Django's own log (`LogEntry`) is not written."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: `users.record` tells it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: `users.record` tells it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Do nothing: `users.record` tells it."""
