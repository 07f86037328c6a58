"""The admin as a whole: its first page, and a password that staff change for themselves."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from sessions.dashboard import dashboard
from sessions.models import BulkRun
from sessions.own_password import OwnPasswordView
from users.models import User
from users.permissions import Act, may

LAST_RUNS = 6


class SessionsAdminSite(UnfoldAdminSite):
    """Django's admin, in which staff who change their own password are logged out of everything else."""

    index_template = "sessions/dashboard.html"
    index_title = "Dashboard"

    def extra_urls(self) -> list[URLPattern]:
        from sessions.admin.explain import explain_view  # the admin's modules need this site
        from sessions.admin.find import find_view

        return [
            path("explain/", self.admin_view(explain_view), name="explain"),
            path("find/", self.admin_view(find_view), name="find"),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The dashboard, as far as they may see what is behind it."""
        user, shown = cast(User, request.user), dict[str, Any]()
        if may(user, Act.SEE_SESSIONS):
            shown["figures"] = dashboard()
        if may(user, Act.SEE_RUNS):
            shown["runs"] = BulkRun.objects.select_related("actor")[:LAST_RUNS]
        return super().index(request, {**(extra_context or {}), **shown})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.current_app = self.name
        context = {**self.each_context(request), **(extra_context or {})}
        done = reverse("admin:password_change_done", current_app=self.name)
        view = OwnPasswordView.as_view(success_url=done, extra_context=context)
        return cast(HttpResponse, view(request))
