"""Acts of staff on an app: switch it off and on, end all of its sessions, make one, rotate its key."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path

from sessions.admin.app_questions import cut_off_question, switch_off_question, switch_on_question
from sessions.admin.confirm import Question, WhyForm, actor_of, ask, report, seal, unseal
from sessions.admin.keys import KeyPages, page_of, seen_app
from sessions.bulk.app_orders import cut_off, sessions_of_app, switch_off, switch_on
from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown
from sessions.models import BulkRun, Session
from users.canary import BELONGS_TO_CANARY, CANARY_ID
from users.clients import has_key, previous_works
from users.errors import AppUnchanged, NotYours
from users.models import App, User
from users.origin import Origin
from users.permissions import Act, may_as_staff, may_with_app

MOST_COUNTED = 10_000


@dataclass(frozen=True)
class AppPage:
    """The facts and buttons above the form on the page of an app."""

    live: int | None  # the number of sessions that have not ended; None: the actor may not see sessions
    is_more: bool  # whether there are more than that
    has_key: bool
    previous_works: bool
    may_switch: bool
    may_cut_off: bool
    may_rotate: bool
    closed_because: str  # why nobody may change the app, or an empty text


def app_page(app: App, *, actor: User) -> AppPage:
    counted = Session.objects.filter(app=app, ended_at=None).order_by()[: MOST_COUNTED + 1].count()
    return AppPage(
        live=min(counted, MOST_COUNTED) if may_as_staff(actor, Act.SEE_SESSIONS) else None,
        is_more=counted > MOST_COUNTED,
        has_key=has_key(app),
        previous_works=previous_works(app),
        may_switch=may_with_app(actor, Act.SWITCH_APP, app),
        may_cut_off=may_with_app(actor, Act.CUT_OFF_APP, app),
        may_rotate=has_key(app) and may_with_app(actor, Act.ROTATE_KEY, app),
        closed_because=BELONGS_TO_CANARY if app.pk == CANARY_ID else "",
    )


class ActsOnApps(KeyPages):
    """One page for each act. It first asks for confirmation; a confirmed POST carries the act out."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:app_id>/switch-off/", wrap(self.switch_off_view), name="users_app_switch_off"),
            path("<str:app_id>/switch-on/", wrap(self.switch_on_view), name="users_app_switch_on"),
            path("<str:app_id>/cut-off/", wrap(self.cut_off_view), name="users_app_cut_off"),
            *super().get_urls(),
        ]

    def switch_off_view(self, request: HttpRequest, app_id: str) -> HttpResponse:
        """Switch the app off, and end all of its sessions."""
        app = seen_app(request, app_id, Act.SWITCH_APP)
        if not app.is_active:
            messages.warning(request, f"{app.name} is off already.")
            return HttpResponseRedirect(page_of(app))
        return self._order(request, app, Act.SWITCH_APP, switch_off_question, switch_off)

    def cut_off_view(self, request: HttpRequest, app_id: str) -> HttpResponse:
        """End all sessions of the app that were opened until now."""
        app = seen_app(request, app_id, Act.CUT_OFF_APP)
        return self._order(request, app, Act.CUT_OFF_APP, cut_off_question, cut_off)

    def switch_on_view(self, request: HttpRequest, app_id: str) -> HttpResponse:
        """Switch the app on."""
        app = seen_app(request, app_id, Act.SWITCH_APP)
        if app.is_active:
            messages.warning(request, f"{app.name} is on already.")
            return HttpResponseRedirect(page_of(app))
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, switch_on_question(app, request.path, back=page_of(app)), form)
        try:
            switch_on(app, actor=actor_of(request), origin=Origin.of(request), note=form.cleaned_data["note"])
        except AppUnchanged:
            messages.warning(request, f"{app.name} is on already.")
        else:
            messages.success(request, f"{app.name} is on. Its users can log in again.")
        return HttpResponseRedirect(page_of(app))

    def _order(
        self,
        request: HttpRequest,
        app: App,
        act: Act,
        question_of: Callable[..., Question],
        carry_out: Callable[..., BulkRun],
    ) -> HttpResponse:
        """Ask about an order for all sessions of the app; a confirmed POST gives it."""
        actor = actor_of(request)
        found = Preview(sessions_of_app(app, act, actor=actor))
        if request.method == "POST":
            found = replace(found, seen=_count_shown(request, found))
        form = WhyForm(request.POST or None, request=request, found=found, is_grave=True, needs_reason=True)
        if form.is_confirmed:
            by: Any = {"actor": actor, "origin": Origin.of(request)}
            try:
                return report(request, carry_out(app, note=form.cleaned_data["note"], expected=found.count, **by))
            except SelectionGrown as error:
                messages.error(request, f"Nothing was changed: {error}. Look again, and confirm the new number.")
            except AppUnchanged:
                messages.warning(request, f"{app.name} was switched a moment ago.")
            except NotYours as error:
                raise PermissionDenied from error
            return HttpResponseRedirect(request.path)
        token = seal(found.selection, everywhere=False, count=found.count, actor=actor)
        question = question_of(app, found, request.path, back=page_of(app))
        return ask(request, self.admin_site, replace(question, token=token), form)


def _count_shown(request: HttpRequest, found: Preview) -> int:
    """Return the number of sessions that the page has shown. Raises: PermissionDenied."""
    selection, _, count = unseal(request.POST.get("token", ""), actor=actor_of(request))
    if selection != found.selection:
        raise PermissionDenied("The preview was made for another order.")
    return count
