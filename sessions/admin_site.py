from typing import Any, cast

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from sessions.origin import Origin
from sessions.passwords import password_change
from users.models import User


class SessionsAdminSite(AdminSite):
    """Django's admin, in which staff who change their own password are logged out of everything else."""

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        user = cast(User, request.user)
        with password_change(User.objects.filter(pk=user.pk), actor=user, origin=Origin.of(request)):
            return super().password_change(request, extra_context)
