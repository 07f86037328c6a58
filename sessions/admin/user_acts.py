"""Acts of staff on a user's page: log out, disable or enable, send a reset code, switch the second factor off."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from sessions.accounts import enable_user
from sessions.admin.confirm import Question, WhyForm, actor_of, ask, count_of_sessions
from sessions.bulk.orders import disable_user, end_as_staff
from sessions.bulk.preview import Preview
from sessions.factor import switch_off_factor
from sessions.passwords import send_reset_code
from sessions.selection.selection import Selection
from users.admin import NoDelete
from users.errors import EmailMissing, TooManyAttempts
from users.models import User, is_object_id
from users.origin import Origin
from users.permissions import Act, may_as_staff, must_have_factor
from users.second_factor.enabling import has_factor


class ActsOnUsers(NoDelete):
    """One page for each act. It first asks for confirmation; a confirmed POST carries the act out."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:user_id>/log-out/", wrap(self.log_out_view), name="users_user_log_out"),
            path("<str:user_id>/disable/", wrap(self.disable_view), name="users_user_disable"),
            path("<str:user_id>/enable/", wrap(self.enable_view), name="users_user_enable"),
            path("<str:user_id>/send-reset/", wrap(self.send_reset_view), name="users_user_send_reset"),
            path("<str:user_id>/factor-off/", wrap(self.factor_off_view), name="users_user_factor_off"),
            *super().get_urls(),
        ]

    def log_out_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """End all sessions of the user."""
        user = _user(user_id)
        _require(request, Act.END_SESSIONS, user)
        found = Preview(Selection(users=(user.pk,)))
        form = WhyForm(request.POST or None, request=request, found=found)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _log_out_question(user, found, request.path), form)
        note, origin = form.cleaned_data["note"], Origin.of(request)
        run = end_as_staff(found.selection, actor=actor_of(request), origin=origin, note=note)
        messages.success(request, f"{count_of_sessions(run.ended)} ended.")
        return _back_to(user)

    def disable_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Disable the account and end all sessions of the user."""
        user = _user(user_id)
        if not user.is_active:
            messages.warning(request, "The account is disabled already.")
            return _back_to(user)
        _require(request, Act.DISABLE_USER, user)
        found = Preview(Selection(users=(user.pk,)))
        form = WhyForm(request.POST or None, request=request, found=found, is_grave=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _disable_question(user, found, request.path), form)
        note, origin = form.cleaned_data["note"], Origin.of(request)
        run = disable_user(user.pk, actor=actor_of(request), origin=origin, note=note)
        messages.success(request, f"The account {user.username} is disabled. {count_of_sessions(run.ended)} ended.")
        return _back_to(user)

    def enable_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Enable an account that is disabled."""
        user = _user(user_id)
        if user.is_active:
            messages.warning(request, "The account is enabled already.")
            return _back_to(user)
        _require(request, Act.DISABLE_USER, user)
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _enable_question(user, request.path), form)
        note, origin = form.cleaned_data["note"], Origin.of(request)
        if enable_user(user.pk, actor=actor_of(request), origin=origin, note=note):
            messages.success(request, f"The account {user.username} is enabled.")
        return _back_to(user)

    def send_reset_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Mail the user a reset code."""
        user = _user(user_id)
        _require(request, Act.SEND_RESET, user)
        if not user.is_active:
            messages.warning(request, "The account is disabled. A reset code would not work.")
            return _back_to(user)
        form = WhyForm(request.POST or None, request=request)
        if not user.email:
            send_reset(request, user)  # it tells the actor that there is no email
        elif form.is_confirmed:
            send_reset(request, user, note=form.cleaned_data["note"])
        else:
            return ask(request, self.admin_site, _reset_question(user, request.path), form)
        return _back_to(user)

    def factor_off_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Switch the user's second factor off."""
        user = _user(user_id)
        _require(request, Act.DISABLE_FACTOR, user)
        if not has_factor(user):
            messages.warning(request, f"{user.username} has no second factor.")
            return _back_to(user)
        form = WhyForm(request.POST or None, request=request, is_grave=True, needs_reason=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _factor_off_question(user, request.path), form)
        note, origin = form.cleaned_data["note"], Origin.of(request)
        if switch_off_factor(user, actor=actor_of(request), note=note, origin=origin):
            messages.success(request, f"The second factor of {user.username} is off.")
        return _back_to(user)


def send_reset(request: HttpRequest, user: User, *, note: str = "") -> None:
    """Mail the user a reset code, and tell the actor whether it was sent."""
    try:
        send_reset_code(user, actor=actor_of(request), origin=Origin.of(request), note=note)
    except EmailMissing:
        messages.warning(request, f"{user.username} has no email. No reset code was sent.")
    except TooManyAttempts as error:
        minutes = -(-error.retry_after // 60)
        told = f"You have sent too many reset codes. None was sent to {user.username}. Try again in {minutes} min."
        messages.error(request, told)
    else:
        messages.success(request, f"A reset code is on its way to {user.email}.")


def _user(user_id: str) -> User:
    user = User.objects.filter(pk=user_id).first() if is_object_id(user_id) else None
    if user is None:
        raise Http404
    return user


def _require(request: HttpRequest, act: Act, user: User) -> None:
    if not may_as_staff(actor_of(request), act, user):
        raise PermissionDenied


def _page_of(user: User) -> str:
    return reverse("admin:users_user_change", args=[user.pk])


def _back_to(user: User) -> HttpResponse:
    return HttpResponseRedirect(_page_of(user))


def _log_out_question(user: User, found: Preview, url: str) -> Question:
    sessions = count_of_sessions(found.count)
    happens = [
        f"{sessions} of {user.username} end, on all devices and in all apps.",
        "Their tokens are refused from the next request on. The devices no longer receive pushes for them.",
        "They can log in again with their password.",
    ]
    return Question(f"Log {user.username} out everywhere?", f"End {sessions}", url, _page_of(user), happens)


def _disable_question(user: User, found: Preview, url: str) -> Question:
    happens = [
        f"{user.username} can't log in any more, until somebody enables the account.",
        f"{count_of_sessions(found.count)} end. Their tokens are refused at once.",
        "None of their devices receives pushes for them any more.",
    ]
    title = f"Disable the account {user.username}?"
    return Question(title, "Disable account", url, _page_of(user), happens, icon="block")


def _enable_question(user: User, url: str) -> Question:
    happens = [
        f"{user.username} can log in again, with the password and the second factor that they had.",
        "Sessions that have ended stay ended.",
        "If somebody else may know the password, send a reset code as well.",
    ]
    title = f"Enable the account {user.username}?"
    return Question(title, "Enable account", url, _page_of(user), happens, icon="lock_open", is_harmless=True)


def _reset_question(user: User, url: str) -> Question:
    happens = [
        f"A code is mailed to {user.email}. It sets a new password, once.",
        "The password stays as it is until somebody uses the code. Then all sessions of the user end.",
        "You do not see the code.",
    ]
    title = f"Send {user.username} a reset code?"
    return Question(title, "Send reset code", url, _page_of(user), happens, icon="lock_reset", is_harmless=True)


def _factor_off_question(user: User, url: str) -> Question:
    told = f"A mail to {user.email} tells them." if user.email else "They have no email, so nobody is told."
    then = "They set up a new one at their next log-in to the admin." if must_have_factor(user) else ""
    happens = [
        f"{user.username} can log in with the password alone. Their app and their recovery codes stop working.",
        "Make sure that it is really them who asks: a thief who has the password would ask for the same.",
        f"Their sessions go on. {told} {then}".strip(),
    ]
    title = f"Switch the second factor of {user.username} off?"
    return Question(title, "Switch off second factor", url, _page_of(user), happens, icon="lock_open")
