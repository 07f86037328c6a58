"""End sessions in the admin: the ticked ones of the list, all that the list shows, or one."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from sessions.admin.confirm import Question, WhyForm, actor_of, ask, count_of_sessions, report, seal, unseal
from sessions.browser import find_session
from sessions.bulk.orders import ReasonMissing, as_far_as_allowed, end_as_staff, end_one, everywhere
from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown
from sessions.models import Session
from sessions.selection.errors import SelectionError
from sessions.selection.listing import PARAMETERS, selection_of
from sessions.selection.search import search_of, value_of
from sessions.selection.selection import Selection
from users.admin import ReadOnly
from users.clock import database_now
from users.errors import NotYours
from users.origin import Origin
from users.permissions import Act, may, may_as_staff, may_end_sessions

LIST = "admin:user_sessions_session_changelist"


class EndsSessions(ReadOnly):
    """The actions of the list and their pages. Each page asks first; a confirmed POST ends the sessions."""

    actions = ["log_out", "log_out_everywhere"]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return may(actor_of(request), Act.END_SESSIONS)

    @admin.action(description="End the selected sessions", permissions=["end"])
    def log_out(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        return self._ask_about_chosen(request, whole_users=False)

    @admin.action(description="Log these users out everywhere", permissions=["end"])
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        return self._ask_about_chosen(request, whole_users=True)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("log-out/", wrap(self.log_out_view), name="user_sessions_session_log_out"),
            path("<uuid:session_id>/end/", wrap(self.end_view), name="user_sessions_session_end"),
            *super().get_urls(),
        ]

    def _ask_about_chosen(self, request: HttpRequest, *, whole_users: bool) -> HttpResponse | None:
        try:
            chosen = _chosen(request)
            if chosen is None:
                self.message_user(request, "All selected sessions have ended.", messages.WARNING)
                return None
            return self._ask_about(request, chosen, whole_users=whole_users)
        except SelectionError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None

    def _ask_about(self, request: HttpRequest, chosen: Selection, *, whole_users: bool) -> HttpResponse | None:
        actor = actor_of(request)
        found = _found(chosen, actor=actor, whole_users=whole_users)
        if found is None or not found.count:
            self.message_user(request, "There is no live session that you may end among these.", messages.WARNING)
            return None
        if not may_end_sessions(actor, of_many=found.is_of_many):
            told = f"These are sessions of {found.users:,} users. You may log out one user at a time. Ask an operator."
            self.message_user(request, told, messages.ERROR)
            return None
        token = seal(chosen, everywhere=whole_users, count=found.count, actor=actor)
        question = _question(found, token, back=request.get_full_path(), whole_users=whole_users)
        return ask(request, self.admin_site, question, WhyForm(request=request, found=found))

    def log_out_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation of an action of the list; a confirmed POST ends the sessions."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_end_permission(request):
            raise PermissionDenied
        token = request.POST.get("token", "")
        chosen, whole_users, count = unseal(token, actor=actor_of(request))
        found = _found(chosen, actor=actor_of(request), whole_users=whole_users)
        if found is None:
            return _nothing_left(request)
        form = WhyForm(request.POST, request=request, found=replace(found, seen=count))
        if not form.is_valid():
            question = _question(replace(found, seen=count), token, back=reverse(LIST), whole_users=whole_users)
            return ask(request, self.admin_site, question, form)
        if (only := _only_one(found.selection)) is not None:
            return _end_one(request, only, note=form.cleaned_data["note"])
        try:
            return _end(request, found.selection, note=form.cleaned_data["note"], expected=count)
        except SelectionGrown as error:
            messages.error(request, f"Nothing was changed: {error}. Look again, and confirm the new number.")
            return self._ask_about(request, chosen, whole_users=whole_users) or _nothing_left(request)

    def end_view(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        """Ask for confirmation; a confirmed POST ends one session."""
        session = Session.objects.select_related("user", "app", "device").filter(pk=session_id).first()
        if session is None:
            raise Http404
        if not may_end(request, session):
            raise PermissionDenied
        actor = actor_of(request)
        back = _page_after(session)
        found = Preview(as_far_as_allowed(Selection(sessions=(str(session.pk),)), actor=actor))
        if not found.count:
            messages.warning(request, "That session has ended.")
            return HttpResponseRedirect(back)
        form = WhyForm(request.POST or None, request=request, found=found)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _question_about_one(session, request.path, back=back), form)
        return _end_one(request, session, note=form.cleaned_data["note"])


def may_end(request: HttpRequest, session: Session) -> bool:
    return may_as_staff(actor_of(request), Act.END_SESSIONS, session.user)


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _end(request: HttpRequest, selection: Selection, *, note: str, expected: int) -> HttpResponse:
    """End the sessions of ``selection``, and answer with the report. Raises: PermissionDenied, SelectionGrown."""
    try:
        run = end_as_staff(selection, actor=actor_of(request), origin=Origin.of(request), note=note, expected=expected)
    except (NotYours, ReasonMissing) as error:
        raise PermissionDenied from error
    return report(request, run)


def _only_one(selection: Selection) -> Session | None:
    """Return the session, if one was ticked. Its end is no bulk run."""
    ids = selection.sessions or ()
    is_one = len(ids) == 1 and not selection.given().keys() - {"sessions", "spare_superusers"}
    return Session.objects.select_related("user").filter(pk=ids[0]).first() if is_one else None


def _end_one(request: HttpRequest, session: Session, *, note: str) -> HttpResponse:
    """End the session, and answer with the user's page. Raises: PermissionDenied."""
    try:
        by: Any = {"current": find_session(request), "actor": actor_of(request), "origin": Origin.of(request)}
        is_ended = end_one(session, note=note, **by)
    except NotYours as error:
        raise PermissionDenied from error
    if is_ended:
        messages.success(request, "1 session ended. Its tokens are refused from now on.")
    else:
        messages.warning(request, "That session has ended.")
    return HttpResponseRedirect(_page_after(session))


def _page_after(session: Session) -> str:
    return reverse("admin:users_user_change", args=[session.user_id]) if session.user_id else reverse(LIST)


def _chosen(request: HttpRequest) -> Selection | None:
    """Select the ticked sessions, or all that the list shows. None, if they have all ended. Raises: SelectionError."""
    if request.POST.get("select_across") != "1":
        return Selection(sessions=tuple(sorted(request.POST.getlist("_selected_action"))))
    actor = actor_of(request)
    narrowed = {name: value_of(actor, name, request.GET[name]) for name in PARAMETERS if request.GET.get(name)}
    search = search_of(actor, request.GET.get("q", ""))
    return selection_of(narrowed, search=search, now=database_now())


def _found(chosen: Selection, *, actor: Any, whole_users: bool) -> Preview | None:
    meant: Selection | None = as_far_as_allowed(chosen, actor=actor)
    if whole_users and meant is not None:
        meant = everywhere(meant)
    return Preview(meant) if meant is not None else None


def _question(found: Preview, token: str, *, back: str, whole_users: bool) -> Question:
    happens = [
        "Their access tokens are refused from the next request on. Their refresh tokens are refused, too.",
        "Their devices no longer receive pushes for them.",
    ]
    if found.selection.cuts_off:
        happens.insert(0, "All of them are refused at once. Then they are ended in batches.")
    if whole_users:
        happens.append("All sessions of these users end, including those that the list does not show.")
    sessions = count_of_sessions(found.count)
    users = f"{found.users:,} user{'' if found.users == 1 else 's'}"
    return Question(
        title=f"End {sessions} of {users}?",
        button=f"End {sessions}",
        url=reverse("admin:user_sessions_session_log_out"),
        back=back,
        happens=happens,
        token=token,
    )


def _question_about_one(session: Session, url: str, *, back: str) -> Question:
    whose = f"{session.user.username}'s session" if session.user else "this app-level session"
    where = str(session.device or session.platform or "an unknown device")
    of_client = [
        "Its access token is refused from the next request on. Its refresh token is refused, too.",
        "Its device no longer receives pushes for that user.",
    ]
    of_browser = ["The cookie of that browser is refused from the next request on."]
    happens = [*(of_browser if session.app.uses_cookies else of_client), "The user's other sessions go on."]
    return Question(f"End {whose} on {where}?", "End this session", url, back, happens)


def _nothing_left(request: HttpRequest) -> HttpResponse:
    messages.warning(request, "None of these sessions is live any more.")
    return HttpResponseRedirect(reverse(LIST))
