"""The first page: where the user is logged in. They end one session, or all others."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from sessions.account.clients import SessionLine, line_of, name_of
from sessions.account.forms import ProvingForm
from sessions.account.guard import own_page, user_of
from sessions.account.history import newest_lines
from sessions.errors import ReauthenticationRequired, SessionNotFound
from sessions.models import Session
from sessions.sessions_of_user import Scope, log_out_scope, log_out_session, own_sessions
from users.origin import Origin

MOST_SHOWN = 50
LATEST = 5


@own_page
def home(request: HttpRequest, session: Session) -> HttpResponse:
    """Show where the user is logged in, and what happened lately."""
    found = own_sessions(session, at_most=MOST_SHOWN)
    shown = {
        "current": line_of(found.current, now=found.now),
        "others": [line_of(other, now=found.now) for other in found.others],
        "more": found.more,
        "count": found.count_of_others,
        "lines": newest_lines(user_of(session), at_most=LATEST),
    }
    return render(request, "account/home.html", shown)


@own_page
def end_one(request: HttpRequest, session: Session, session_id: UUID) -> HttpResponseBase:
    """Ask whether to end one of the user's other sessions. A POST ends it."""
    meant = _own_session(session, session_id)
    if meant.ended_at is not None:
        messages.info(request, "This session has ended already.")
        return redirect("account:home")
    form = _proof_for_one(request)
    if not (form.is_bound and form.is_valid()):
        return _ask_for_one(request, form, line_of(meant, now=session.checked_at))
    try:
        log_out_session(
            session.user_id or "", str(session_id), current=session, actor=user_of(session), origin=Origin.of(request)
        )
    except SessionNotFound:  # it has ended a moment ago
        messages.info(request, "This session has ended already.")
    else:
        messages.success(request, f"The session is ended: {name_of(meant)}.")
    return redirect("account:home")


@own_page
def end_others(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Ask whether to end all of the user's sessions but this one. A POST ends them."""
    form = ProvingForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_bound and form.is_valid():
        try:
            ended = log_out_scope(
                session.user_id or "", Scope.OTHERS, current=session, actor=user_of(session), origin=Origin.of(request)
            )
        except ReauthenticationRequired:  # the proof has become too old while this request waited
            return redirect("account:end_others")
        messages.success(request, f"{ended} session{'' if ended == 1 else 's'} ended. You are logged in here only.")
        return redirect("account:home")
    count = own_sessions(session, at_most=0).more
    return render(request, "account/end_others.html", {"form": form, "count": count})


def _proof_for_one(request: HttpRequest) -> ProvingForm:
    """Return the form. The button of the first page sends no proof: if one is needed, ask for it, and show no error."""
    empty = ProvingForm(request=request)
    is_sent = "proof" in request.POST or "proof" not in empty.fields
    return ProvingForm(request.POST, request=request) if request.method == "POST" and is_sent else empty


def _ask_for_one(request: HttpRequest, form: ProvingForm, line: SessionLine) -> HttpResponse:
    return render(request, "account/end_one.html", {"form": form, "line": line})


def _own_session(current: Session, session_id: UUID) -> Session:
    """Return that session of the user, ended or not. Raises: Http404, for anybody else's and for the current one."""
    own = Session.objects.filter(user=current.user_id).exclude(pk=current.pk).select_related("app", "user", "device")
    found = own.filter(pk=session_id).first()
    if found is None:
        raise Http404
    return found
