"""The list of sessions, and the way from it to logging some or all of them out."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from sessions.admin.confirm import Question, WhyForm, actor_of, ask, report, seal, unseal
from sessions.admin.filters import FILTERS
from sessions.bulk.listing import selection_of
from sessions.bulk.orders import ReasonMissing, as_far_as_allowed, end_as_staff, everywhere, may_end
from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown
from sessions.bulk.selection import Selection, SelectionError, matching
from sessions.models import Session
from sessions.origin import Origin
from users.admin import ReadOnly
from users.clock import DatabaseNow, database_now
from users.errors import NotYours
from users.permissions import Act, may, may_as_staff

LIST = "admin:user_sessions_session_changelist"


@admin.register(Session)
class SessionAdmin(ReadOnly):
    when_empty = "Sessions appear when users log in. To see how that looks: manage.py demo"
    list_display = ["who", "state", "app", "on", "address", "created", "last_seen", "ended"]
    list_filter = FILTERS
    list_select_related = ["user", "app", "device"]
    list_per_page = 100
    search_fields = ["id"]  # so that there is a search; what it does is `matching`
    search_help_text = "User name, email, id, IP or network, device token"
    ordering = ["-id"]  # by time, for the ids begin with it
    sortable_by = ()  # any other order would have to look at them all
    actions = ["log_out", "log_out_everywhere"]
    change_form_template = "sessions/session.html"

    @admin.display(description="user")
    def who(self, session: Session) -> str:
        return session.user.username if session.user else "app-level"

    @display(description="state", label={"live": "success", "ended": "", "refused": "warning"})
    def state(self, session: Session) -> str:
        return state_of(session)

    @admin.display(description="device")
    def on(self, session: Session) -> str:
        return str(session.device or session.platform or "unknown")

    @admin.display(description="IP")
    def address(self, session: Session) -> str | None:
        return session.ip

    @admin.display(description="created (UTC)")
    def created(self, session: Session) -> datetime:
        return session.created_at

    @admin.display(description="last seen (UTC)")
    def last_seen(self, session: Session) -> datetime:
        return session.last_seen_at

    @admin.display(description="ended (UTC)")
    def ended(self, session: Session) -> datetime | None:
        return session.ended_at

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        # `state_of` compares with it: one time for each row, without a query for each.
        return super().get_queryset(request).annotate(checked_at=DatabaseNow())

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Nothing may narrow the list that does not narrow what is logged out from it.
        return lookup in {narrowing.parameter_name for narrowing in FILTERS}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        return (queryset.filter(matching(search_term)) if search_term.strip() else queryset), False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return may(actor_of(request), Act.END_SESSIONS)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            if not self.has_end_permission(request):
                raise PermissionDenied
            if not all(map(_is_uuid, request.POST.getlist("_selected_action"))):
                raise SuspiciousOperation("It is sessions that are ticked there.")
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        extra: dict[str, Any] = {"title": "Session"}
        if session is not None:
            extra |= {"session": session, "state": state_of(session), "may_end": _may_end(request, session)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    @admin.action(description="Log out selected", permissions=["end"])
    def log_out(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        return self._ask_about(request, whole_users=False)

    @admin.action(description="Log out these users everywhere", permissions=["end"])
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        return self._ask_about(request, whole_users=True)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("log-out/", wrap(self.log_out_view), name="user_sessions_session_log_out"),
            path("<uuid:session_id>/end/", wrap(self.end_view), name="user_sessions_session_end"),
            *super().get_urls(),
        ]

    def _ask_about(self, request: HttpRequest, *, whole_users: bool) -> HttpResponse | None:
        try:
            chosen = _chosen(request)
            if chosen is None:
                self.message_user(request, "All that are selected have ended.", messages.WARNING)
                return None
            return self._question(request, chosen, whole_users=whole_users)
        except SelectionError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None

    def _question(self, request: HttpRequest, chosen: Selection, *, whole_users: bool) -> HttpResponse | None:
        found = _found(request, chosen, whole_users=whole_users)
        if found is None or not found.count:
            self.message_user(request, "There is no live session that you may end among them.", messages.WARNING)
            return None
        if not may_end(found, actor=actor_of(request)):
            told = f"That is {found.users:,} users. You may log out one user at a time; ask an operator."
            self.message_user(request, told, messages.ERROR)
            return None
        token = seal(chosen, everywhere=whole_users, count=found.count, actor=actor_of(request))
        question = _bulk_question(found, token, back=request.get_full_path(), whole_users=whole_users)
        return ask(request, self.admin_site, question, WhyForm(found=found))

    def log_out_view(self, request: HttpRequest) -> HttpResponse:
        """The answer to the question of `log_out`."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_end_permission(request):
            raise PermissionDenied
        actor, token = actor_of(request), request.POST.get("token", "")
        chosen, whole_users, count = unseal(token, actor=actor)
        found = _found(request, chosen, whole_users=whole_users)
        if found is None:
            return _nothing_left(request)
        found = replace(found, seen=count)
        form = WhyForm(request.POST, found=found)
        question = _bulk_question(found, token, back=reverse(LIST), whole_users=whole_users)
        if not form.is_valid():
            return ask(request, self.admin_site, question, form)
        try:
            note = form.cleaned_data["note"]
            origin = Origin.of(request)
            run = end_as_staff(found.selection, actor=actor, origin=origin, note=note, expected=count)
        except (NotYours, ReasonMissing) as error:
            raise PermissionDenied from error
        except SelectionGrown as error:
            messages.error(request, f"Nothing was changed: {error}. Look again, and confirm the new number.")
            return self._question(request, chosen, whole_users=whole_users) or _nothing_left(request)
        return report(request, run)

    def end_view(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        """End one session: asks first, then does it."""
        session = Session.objects.select_related("user", "app", "device").filter(pk=session_id).first()
        if session is None:
            raise Http404
        if not _may_end(request, session):
            raise PermissionDenied
        actor = actor_of(request)
        back = reverse("admin:users_user_change", args=[session.user_id]) if session.user_id else reverse(LIST)
        found = Preview(as_far_as_allowed(Selection(sessions=(str(session.pk),)), actor=actor))
        if not found.count:
            messages.warning(request, "That session has ended.")
            return HttpResponseRedirect(back)
        form = WhyForm(request.POST or None, found=found)
        if request.method == "POST" and form.is_valid():
            note = form.cleaned_data["note"]
            end_as_staff(found.selection, actor=actor, origin=Origin.of(request), note=note)
            messages.success(request, "1 session ended. Its tokens are refused from now on.")
            return HttpResponseRedirect(back)
        return ask(request, self.admin_site, _one_question(request, session, back), form)


def state_of(session: Session) -> str:
    if session.ended_at:
        return "ended"
    return "refused" if session.refusal(session.checked_at) else "live"


def _may_end(request: HttpRequest, session: Session) -> bool:
    return may_as_staff(actor_of(request), Act.END_SESSIONS, session.user)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _chosen(request: HttpRequest) -> Selection | None:
    """The ticked sessions, or all that the list shows; None: they have all ended. Raises: SelectionError."""
    if request.POST.get("select_across") != "1":
        return Selection(sessions=tuple(sorted(request.POST.getlist("_selected_action"))))
    names = [str(narrowing.parameter_name) for narrowing in FILTERS]
    narrowed = {name: request.GET[name] for name in names if request.GET.get(name)}
    return selection_of(narrowed, search=request.GET.get("q", ""), now=database_now())


def _found(request: HttpRequest, chosen: Selection, *, whole_users: bool) -> Preview | None:
    meant: Selection | None = as_far_as_allowed(chosen, actor=actor_of(request))
    if whole_users and meant is not None:
        meant = everywhere(meant)
    return Preview(meant) if meant is not None else None


def _bulk_question(found: Preview, token: str, *, back: str, whole_users: bool) -> Question:
    happens = ["Their access tokens are refused from the next request on, their refresh tokens are dead."]
    happens.append("Their devices get no push for them any more.")
    if found.selection.cuts_off:
        happens.insert(0, "All of them are refused at once, by one write; then the rows are ended one by one.")
    if whole_users:
        happens.append("All sessions of these users end, those that the list does not show, too.")
    sessions = f"{found.count:,} session{'' if found.count == 1 else 's'}"
    users = f"{found.users:,} user{'' if found.users == 1 else 's'}"
    return Question(
        title=f"Log out {sessions} of {users}?",
        button=f"Log out {sessions}",
        url=reverse("admin:user_sessions_session_log_out"),
        back=back,
        happens=happens,
        token=token,
    )


def _one_question(request: HttpRequest, session: Session, back: str) -> Question:
    whose = f"{session.user.username}'s session" if session.user else "this app-level session"
    of_client = [
        "Its access token is refused from the next request on, its refresh token is dead.",
        "Its device gets no push for that user any more.",
    ]
    of_browser = ["The cookie of that browser is refused from the next request on."]
    where = str(session.device or session.platform or "an unknown device")
    return Question(
        title=f"End {whose} on {where}?",
        button="End this session",
        url=request.path,
        back=back,
        happens=[
            *(of_browser if session.app.is_admin else of_client),
            "The user's other sessions go on.",
        ],
    )


def _nothing_left(request: HttpRequest) -> HttpResponse:
    messages.warning(request, "There is no live session left among them.")
    return HttpResponseRedirect(reverse(LIST))
