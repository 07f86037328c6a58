"""The admin as a whole: log-in, logout, the first page, and the pages of staff's own password and second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from sessions.admin_login import CodeView, PasswordForm, PasswordView
from sessions.browser import log_out_of_browser
from sessions.bulk.resume import state_of
from sessions.inspect.dashboard import dashboard
from sessions.models import BulkRun
from sessions.own_factor import OwnFactorPages
from sessions.own_password import OwnPasswordView
from users.models import User
from users.permissions import Act, may, may_as_staff

LAST_RUNS = 6


class SessionsAdminSite(UnfoldAdminSite):
    """Django's admin, with our sessions instead of Django's."""

    index_template = "sessions/dashboard.html"
    index_title = "Dashboard"
    login_form = PasswordForm

    def extra_urls(self) -> list[URLPattern]:
        from sessions.admin.explain_token import explain_view  # the admin's modules need this site
        from sessions.admin.export import export_view
        from sessions.admin.find import find_view
        from sessions.admin.staff import StaffPages

        return [
            path("explain/", self.admin_view(explain_view), name="explain"),
            path("find/", self.admin_view(find_view), name="find"),
            path("export/<str:app_label>/<str:model_name>/", self.admin_view(export_view), name="export_list"),
            path("figures/", self.admin_view(self.figures), name="figures"),
            path("login/code/", self.login_code, name="login_code"),
            *OwnFactorPages(self).urls(),
            *StaffPages(self).urls(),
        ]

    def admin_view(self, view: Callable[..., HttpResponseBase], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Wrap a page of the admin. A URL with a NUL is not found, because PostgreSQL can't store a NUL in a text."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            texts = [request.path_info, *request.GET, *(value for values in request.GET.lists() for value in values[1])]
            if any("\0" in text for text in texts):
                raise Http404
            return view(request, *args, **kwargs)

        return super().admin_view(checked, cacheable)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Search the pages of the admin, with the theme's search. A page number that doesn't exist is not found."""
        try:
            return super().search(request, extra_context)
        except InvalidPage as error:
            raise Http404 from error

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Remove the colors from the theme's context: they need an inline style, and `sessions/admin.css` sets ours.

        Add `may_export`, for the link above each list.
        """
        return super().each_context(request) | {"colors": None, "may_export": may_as_staff(request.user, Act.EXPORT)}

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Log staff in, like Django's own method, but with our `PasswordView`."""
        index = reverse(f"{self.name}:index")
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(index)
        context = {**self.each_context(request), "title": "Log in", "app_path": request.get_full_path()}
        context["username"] = request.user.get_username()
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = index
        request.current_app = self.name
        view = PasswordView.as_view(authentication_form=self.login_form, extra_context=context | (extra_context or {}))
        return view(request)

    @method_decorator(never_cache)
    @login_not_required
    def login_code(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the code of a second factor, after the right password."""
        request.current_app = self.name
        context = {**self.each_context(request), "title": "Log in"}
        return CodeView.as_view(extra_context=context)(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            log_out_of_browser(request)
        return super().logout(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the parts of the dashboard that the user may see."""
        return super().index(request, {**(extra_context or {}), **_shown_to(cast(User, request.user))})

    def figures(self, request: HttpRequest) -> HttpResponse:
        """Answer with the part of the dashboard that the page refreshes."""
        shown = _shown_to(cast(User, request.user))
        if not shown:
            raise PermissionDenied
        return TemplateResponse(request, "sessions/_figures.html", shown)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.current_app = self.name
        context = {**self.each_context(request), **(extra_context or {})}
        done = reverse("admin:password_change_done", current_app=self.name)
        view = OwnPasswordView.as_view(success_url=done, extra_context=context)
        return cast(HttpResponse, view(request))


def _shown_to(user: User) -> dict[str, Any]:
    shown = dict[str, Any]()
    if may(user, Act.SEE_SESSIONS):
        shown["figures"] = dashboard()
    if may(user, Act.SEE_RUNS):
        last = BulkRun.objects.select_related("actor")[:LAST_RUNS]
        shown["runs"] = [(run, state_of(run)) for run in last]
    return shown
