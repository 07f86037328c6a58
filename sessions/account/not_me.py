"""The pages behind the link "That wasn't me" in mails. GET asks, POST acts: `sessions.not_me`.

The link proves that its holder can read the user's mail, so nobody has to be logged in here. Programs that scan mail
open every link. They find a question, and nothing changes.

POST needs no token against forgery: the address itself is a secret, which no other site knows. So the button also works
in a browser without cookies, such as that of a mail program.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.signing import BadSignature
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sessions.account.clients import line_of
from sessions.account.forgotten import NewPasswordForm as ForgottenForm
from sessions.account.guard import open_page
from sessions.factor_forms import when_again
from sessions.geography import location_of
from sessions.mail import AccountChange
from sessions.models import Session
from sessions.not_me import Disowned, disown, find_not_me_link, is_replaced
from sessions.passwords import ask_for_reset_code, reset_password
from sessions.signed import read_signed, sign
from users.clock import database_now
from users.errors import CodeInvalid, LinkInvalid, PasswordRefused, TooManyAttempts
from users.models import OneUseLink, User
from users.origin import Origin
from users.record.masking import masked_email

_SALT = "sessions.account.not_me"
_DONE_FOR = timedelta(hours=1)  # the code lives for ten minutes, and another one may be needed


class NewPasswordForm(ForgottenForm):
    """The code of the mail, and a new password twice. The page knows whose it is."""

    identity = None  # type: ignore[assignment]  # Django's way to leave a field out


def mailed_page(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Wrap a page whose address is a link from a mail. Its address goes to no other site and to no search engine."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return csrf_exempt(open_page(require_http_methods(["GET", "HEAD", "POST"])(answer)))


@mailed_page
def not_me(request: HttpRequest, token: str) -> HttpResponseBase:
    """Tell what the mail was about, and what the button does. POST ends sessions and mails a code."""
    link = find_not_me_link(token)
    if link is None:
        return link_is_gone(request)
    if request.method != "POST":
        return render(request, "account/not_me.html", _question(link))
    try:
        done = disown(link, origin=Origin.of(request))
    except LinkInvalid:
        return link_is_gone(request)
    return redirect("account:not_me_done", _state(done, link))


def link_is_gone(request: HttpRequest) -> HttpResponse:
    """Answer to a link that is unknown, used or expired. The three can't be told apart: only a digest was stored."""
    return render(request, "account/link_gone.html", status=404)


@mailed_page
def not_me_done(request: HttpRequest, state: str) -> HttpResponseBase:
    """Tell what was done, and let the user set a new password with the code that was mailed."""
    done = _read_state(state)
    user = User.objects.filter(pk=done["user"], deleted_at=None).first()
    if user is None:
        raise Http404
    form = NewPasswordForm()
    if request.method == "POST" and done["mailed"]:
        if "again" in request.POST:
            return _mail_again(request, user)
        form = NewPasswordForm(request.POST)
        if form.is_valid() and _set_password(request, form, user):
            messages.success(request, "Your new password is set. All log-ins have ended: log in with it.")
            return redirect("account:login")
    return render(request, "account/not_me_done.html", done | {"form": form})


def _question(link: OneUseLink) -> dict[str, Any]:
    """Return what the page tells about the link."""
    sessions = Session.objects.select_related("app", "user", "device")
    session = sessions.filter(pk=link.session_id).first() if link.session_id else None
    location = location_of(link.ip)
    return {
        "link": link,
        "session": line_of(session, now=database_now()) if session else None,
        # A later version may have mailed a change that this one doesn't know.
        "changes": [AccountChange[name] for name in link.about if name in AccountChange.__members__],
        "place": ", ".join(filter(None, (location.text if location else "", link.ip))),
        "address": masked_email(link.address),
        "is_replaced": is_replaced(link, link.user),
        "is_disabled": not link.user.is_active,
        "is_locked_out": AccountChange.FACTOR_ENABLED.name in link.about,
    }


def _state(done: Disowned, link: OneUseLink) -> str:
    """Return the state of the next page: signed, so that nobody makes one up. It opens nothing by itself."""
    facts = {
        "user": done.user.pk,
        "ended": done.ended,
        "mailed": done.is_mailed,
        "replaced": done.is_replaced,
        "address": masked_email(link.address),
        "locked_out": AccountChange.FACTOR_ENABLED.name in link.about,
    }
    return sign(facts, salt=_SALT)


def _read_state(state: str) -> dict[str, Any]:
    """Return what `_state` has signed. Raises: Http404."""
    try:
        return read_signed(state, salt=_SALT, good_for=_DONE_FOR)
    except BadSignature:
        raise Http404 from None


def _mail_again(request: HttpRequest, user: User) -> HttpResponseRedirect:
    try:
        ask_for_reset_code(user.username, by_name_only=True, origin=Origin.of(request))
        messages.success(request, "Another code is on its way. The earlier one no longer works.")
    except TooManyAttempts as error:
        messages.error(request, when_again(error))
    return HttpResponseRedirect(request.path)


def _set_password(request: HttpRequest, form: NewPasswordForm, user: User) -> bool:
    """Set the new password. Otherwise return False, and add the reason to the form."""
    code, new = form.cleaned_data["code"], form.cleaned_data["new_password"]
    try:
        reset_password(user.username, code=code, new_password=new, by_name_only=True, origin=Origin.of(request))
    except PasswordRefused as error:
        form.add_error("new_password", error.reasons)
    except CodeInvalid:
        form.add_error("code", "The code is wrong or too old. It is in our newest mail.")
    except TooManyAttempts as error:
        form.add_error(None, when_again(error))
    return not form.errors
