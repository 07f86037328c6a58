"""The list of staff, and the pages that invite somebody by mail, send an invitation again, and withdraw one."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from sessions.admin.confirm import Question, WhyForm, actor_of, ask
from sessions.admin.staff_forms import InviteForm, Sealed, seal, unseal
from sessions.factor_forms import when_again
from sessions.inspect.staff import list_staff
from sessions.invitations import (
    CannotInvite,
    check_can_mail,
    check_holder,
    find_holder,
    invite,
    is_pending,
    promote,
    send_again,
    withdraw,
)
from users.errors import IdentityTaken, TooManyAttempts
from users.models import User, is_object_id
from users.origin import Origin
from users.permissions import Act, may_as_staff


class StaffPages:
    """The pages of ``site`` below `staff/`."""

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.site.admin_view(never_cache(view))

        return [
            path("staff/", wrap(self.overview), name="staff"),
            path("staff/invite/", wrap(self.invite), name="staff_invite"),
            path("staff/invite/confirm/", wrap(self.confirm), name="staff_invite_confirm"),
            path("staff/<str:user_id>/send-again/", wrap(self.send_again), name="staff_send_again"),
            path("staff/<str:user_id>/withdraw/", wrap(self.withdraw), name="staff_withdraw"),
        ]

    def overview(self, request: HttpRequest) -> HttpResponse:
        """Show who is staff, and who is invited."""
        actor = actor_of(request)
        _require(request, Act.SEE_STAFF)
        shown = {"members": list_staff(actor=actor), "may_invite": may_as_staff(actor, Act.INVITE)}
        return self._page(request, "staff", "Staff", **shown)

    def invite(self, request: HttpRequest) -> HttpResponse:
        """Ask who is invited. A valid form leads to the page that asks for confirmation."""
        _require(request, Act.INVITE)
        form = InviteForm(request.POST if request.method == "POST" else None)
        if not (form.is_bound and form.is_valid()):
            return self._page(request, "staff_invite", "Invite somebody", form=form)
        holder = find_holder(form.cleaned_data["email"])
        try:
            check_can_mail()
            if holder is not None:
                check_holder(holder)
        except CannotInvite as error:
            form.add_error("email", str(error))
            return self._page(request, "staff_invite", "Invite somebody", form=form)
        sealed = Sealed(form.invitation, holder.pk if holder else None)
        return self._ask(request, sealed, WhyForm(request=request, is_grave=True), holder)

    def confirm(self, request: HttpRequest) -> HttpResponse:
        """Carry a confirmed invitation out. Otherwise ask again."""
        _require(request, Act.INVITE)
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:staff_invite"))
        sealed = unseal(request.POST.get("token", ""), actor=actor_of(request))
        holder = User.objects.filter(pk=sealed.holder).first() if sealed.holder else None
        form = WhyForm(request.POST, request=request, is_grave=True)
        if not form.is_valid():
            return self._ask(request, sealed, form, holder)
        facts = {"actor": actor_of(request), "origin": Origin.of(request), "note": form.cleaned_data["note"]}
        email = sealed.invitation.email

        def carry_out() -> str:
            if sealed.holder is not None:
                return f"{promote(sealed.holder, sealed.invitation, **facts).username} is staff now. A mail tells them."
            invite(sealed.invitation, **facts)
            return f"{email} is invited. The link in the mail works once, for seven days."

        return self._done(request, carry_out)

    def send_again(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Mail a new link. The earlier ones no longer work."""
        user = _invited(request, user_id)
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        happens = [
            f"A new link is mailed to {user.email}. It works once, for seven days.",
            "The links of earlier mails stop working.",
        ]
        question = _question(request, f"Send {user.email} the invitation again?", "Send it again", happens, "send")
        if not form.is_confirmed:
            return ask(request, self.site, question, form)
        facts = {"actor": actor_of(request), "origin": Origin.of(request), "note": form.cleaned_data["note"]}
        return self._done(
            request, lambda: f"A new link is on its way to {send_again(user.pk, **facts).email}. Earlier ones are dead."
        )

    def withdraw(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Take an invitation back, and delete its account."""
        user = _invited(request, user_id)
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        happens = [
            "The link in the mail stops working.",
            f"The account {user.username} is deleted. Nobody has used it. Its email and user name are free again.",
            "No mail tells the person.",
        ]
        title, harmless = f"Withdraw the invitation of {user.email or user.username}?", False
        question = _question(request, title, "Withdraw it", happens, "person_remove", is_harmless=harmless)
        if not form.is_confirmed:
            return ask(request, self.site, question, form)
        facts = {"actor": actor_of(request), "origin": Origin.of(request), "note": form.cleaned_data["note"]}

        def carry_out() -> str:
            withdraw(user.pk, **facts)
            return f"The invitation of {user.email or user.username} is withdrawn."

        return self._done(request, carry_out)

    def _done(self, request: HttpRequest, carry_out: Callable[[], str]) -> HttpResponse:
        """Carry an act out, tell what was done or why not, and go to the list."""
        try:
            messages.success(request, carry_out())
        except CannotInvite as error:
            messages.error(request, str(error))
        except IdentityTaken as error:
            what = {"email": "email", "username": "user name"}.get(error.field, error.field)
            messages.error(request, f"Nobody was invited: somebody has taken this {what} a moment ago.")
        except TooManyAttempts as error:
            messages.error(request, when_again(error))
        return HttpResponseRedirect(reverse("admin:staff"))

    def _ask(self, request: HttpRequest, sealed: Sealed, form: WhyForm, holder: User | None) -> HttpResponse:
        shown = {"token": seal(sealed, actor=actor_of(request)), "invitation": sealed.invitation, "holder": holder}
        return self._page(request, "staff_confirm", "Are you sure?", form=form, roles=sealed.roles, **shown)

    def _page(self, request: HttpRequest, name: str, title: str, **shown: Any) -> HttpResponse:
        request.current_app = self.site.name
        context = {**self.site.each_context(request), "title": title, **shown}
        return TemplateResponse(request, f"sessions/{name}.html", context)


def _require(request: HttpRequest, act: Act) -> None:
    if not may_as_staff(actor_of(request), act):
        raise PermissionDenied


def _invited(request: HttpRequest, user_id: str) -> User:
    """Return the user with a pending invitation. Raises: PermissionDenied, Http404."""
    _require(request, Act.INVITE)
    user = User.objects.filter(pk=user_id).first() if is_object_id(user_id) else None
    if user is None or not is_pending(user):
        raise Http404
    return user


def _question(
    request: HttpRequest, title: str, button: str, happens: list[str], icon: str, *, is_harmless: bool = True
) -> Question:
    back = reverse("admin:staff")
    return Question(title, button, request.path, back, happens, icon=icon, is_harmless=is_harmless)
