"""The pages on which users set up and manage their own second factor, and those of the admin."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from sessions.factor import begin_factor, confirm_factor, disable_factor, find_new_secret, renew_recovery_codes
from sessions.factor_forms import CodeField, ProvingForm, session_of, when_again
from users.errors import (
    SecondFactorEnabled,
    SecondFactorMissing,
    SecondFactorNeeded,
    SecondFactorNotConfirmed,
    TooManyAttempts,
)
from users.models import User
from users.origin import Origin
from users.permissions import must_have_factor
from users.sealing import CannotUnseal
from users.second_factor.enabling import NewSecret, has_factor
from users.second_factor.qr_code import qr_code_of
from users.second_factor.recovery import count_recovery_codes

_IN_FULL = "admin/base_site.html"
# Without the sidebar, while all other pages are closed.
_ALONE = "unfold/layouts/unauthenticated.html"
_GROUP = 4

View = Callable[..., HttpResponseBase]


class ConfirmationForm(forms.Form):
    """The first code of a new secret."""

    code = CodeField(label="Code that your app shows now")
    end_others = forms.BooleanField(
        required=False, label="Log me out of all other devices and browsers", widget=UnfoldBooleanWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = True


class SwitchingOffForm(forms.Form):
    """The password, which is always asked for, and whether other sessions end."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=4096,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    end_others = forms.BooleanField(
        required=False, label="Log me out of all other devices and browsers", widget=UnfoldBooleanWidget
    )


class FactorPages:
    """The pages about one's own second factor: overview, set-up, recovery codes, switching off.

    Subclasses say to which page of the project they belong: the admin, or the account page.
    """

    namespace: ClassVar[str]
    first_page: ClassVar[str]
    confirmation_form: ClassVar[type[forms.Form]]
    switching_off_form: ClassVar[type[forms.Form]]
    proving_form: ClassVar[type[ProvingForm]] = ProvingForm

    def wrap(self, view: View) -> View:
        """Return ``view`` with what each page of this kind needs, such as the check of the log-in."""
        raise NotImplementedError

    def show(self, request: HttpRequest, name: str, title: str, **shown: Any) -> HttpResponse:
        """Answer with the page of that name."""
        raise NotImplementedError

    def urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.wrap(sensitive_post_parameters("code", "password", "proof")(never_cache(view)))

        return [
            path("second-factor/", wrap(self.overview), name="second_factor"),
            path("second-factor/confirm/", wrap(self.confirm), name="second_factor_confirm"),
            path("second-factor/recovery-codes/", wrap(self.new_codes), name="second_factor_codes"),
            path("second-factor/off/", wrap(self.switch_off), name="second_factor_off"),
        ]

    def overview(self, request: HttpRequest) -> HttpResponse:
        """Show the user's second factor. Without one, show what is needed to set it up; a POST makes a secret."""
        user = _user_of(request)
        if has_factor(user):
            shown = {"left": count_recovery_codes(user), "must_have": must_have_factor(user)}
            return self.show(request, "factor", "Second factor", **shown)
        form = self.proving_form(request.POST if request.method == "POST" else None, request=request)
        if not (form.is_bound and form.is_valid()):
            return self.show(request, "factor_begin", "Set up a second factor", form=form)
        try:
            begin_factor(user.pk, actor=user, current=session_of(request), origin=Origin.of(request))
        except SecondFactorEnabled:  # in another window, a moment ago
            return HttpResponseRedirect(reverse(f"{self.namespace}:second_factor"))
        return HttpResponseRedirect(self.address("second_factor_confirm", request))

    def confirm(self, request: HttpRequest) -> HttpResponse:
        """Show the new secret and ask for a code. A right code switches the factor on, and shows the recovery codes."""
        user, session = _user_of(request), session_of(request)
        try:
            secret = find_new_secret(user, current=session)
        except (ReauthenticationRequired, CannotUnseal):  # the secret was left for a while, or SECRET_KEY is another
            secret = None
        if secret is None:
            return HttpResponseRedirect(self.address("second_factor", request))
        form = self.confirmation_form(request.POST if request.method == "POST" else None)
        codes = self._confirmed(request, form, user) if form.is_bound and form.is_valid() else None
        if codes is not None:
            return self._show_codes(request, codes, "Your second factor is on")
        shown = {"secret": _in_groups(secret), "qr_code": qr_code_of(secret), "uri": secret.uri}
        return self.show(request, "factor_confirm", "Set up a second factor", form=form, **shown)

    def new_codes(self, request: HttpRequest) -> HttpResponse:
        """Ask, then replace the recovery codes and show the new ones."""
        user = _user_of(request)
        if not has_factor(user):
            return HttpResponseRedirect(reverse(f"{self.namespace}:second_factor"))
        form = self.proving_form(request.POST if request.method == "POST" else None, request=request)
        if not (form.is_bound and form.is_valid()):
            return self.show(request, "factor_new_codes", "New recovery codes", form=form)
        try:
            codes = renew_recovery_codes(user, current=session_of(request), origin=Origin.of(request))
        except SecondFactorMissing:  # while this request waited
            messages.warning(request, "Your second factor was switched off meanwhile. There are no recovery codes.")
            return HttpResponseRedirect(reverse(f"{self.namespace}:second_factor"))
        return self._show_codes(request, codes, "New recovery codes")

    def switch_off(self, request: HttpRequest) -> HttpResponse:
        """Ask for the password, then switch the factor off. Refused while staff must have one."""
        user = _user_of(request)
        if not has_factor(user):
            return HttpResponseRedirect(reverse(f"{self.namespace}:second_factor"))
        form = self.switching_off_form(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid() and self._switched_off(request, form, user):
            messages.success(request, "Your second factor is off. A log-in needs only your password now.")
            return HttpResponseRedirect(reverse(f"{self.namespace}:second_factor"))
        must_have = must_have_factor(user)
        return self.show(request, "factor_off", "Switch off the second factor", form=form, must_have=must_have)

    def _confirmed(self, request: HttpRequest, form: forms.Form, user: User) -> list[str] | None:
        """Switch the factor on and return the recovery codes. None: the form has an error."""
        session, origin = session_of(request), Origin.of(request)
        try:
            return confirm_factor(user.pk, actor=user, current=session, origin=origin, **form.cleaned_data)
        except SecondFactorNotConfirmed:
            form.add_error("code", "This code does not fit. Type the one that your app shows now.")
        except SecondFactorEnabled:
            form.add_error("code", "Your second factor was switched on in another window.")
        except TooManyAttempts as error:
            form.add_error("code", when_again(error))
        return None

    def _switched_off(self, request: HttpRequest, form: forms.Form, user: User) -> bool:
        session, origin = session_of(request), Origin.of(request)
        try:
            disable_factor(user.pk, actor=user, current=session, origin=origin, **form.cleaned_data)
        except SecondFactorNeeded:
            form.add_error(None, "Staff need a second factor here.")
        except WrongPasswordGiven:
            form.add_error("password", "This is not your password.")
        except TooManyAttempts as error:
            form.add_error("password", when_again(error))
        return not form.errors

    def _show_codes(self, request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
        return self.show(request, "factor_codes", title, codes=codes)

    def address(self, name: str, request: HttpRequest) -> str:
        """Return the address of a page. It keeps the page to which the user wants to go next."""
        url = reverse(f"{self.namespace}:{name}")
        return f"{url}?{urlencode({'next': self.next_of(request)})}" if "next" in request.GET else url

    def next_of(self, request: HttpRequest) -> str:
        """Return the page to which the user wanted to go, if it is one of ours, and otherwise the first page."""
        wanted = request.GET.get("next", "")
        if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
            return wanted
        return reverse(f"{self.namespace}:{self.first_page}")


class OwnFactorPages(FactorPages):
    """The pages of ``site``."""

    namespace, first_page = "admin", "index"
    confirmation_form, switching_off_form = ConfirmationForm, SwitchingOffForm

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def wrap(self, view: View) -> View:
        return self.site.admin_view(view)

    def show(self, request: HttpRequest, name: str, title: str, **shown: Any) -> HttpResponse:
        user = _user_of(request)
        # All other pages are closed until the user has a factor. Then they go on from the recovery codes.
        must_set_up = must_have_factor(user) and not has_factor(user)
        is_alone = must_set_up or (name == "factor_codes" and "next" in request.GET)
        context = {
            **self.site.each_context(request),
            "title": title,
            "layout": _ALONE if is_alone else _IN_FULL,
            "is_alone": is_alone,
            "next": self.next_of(request),
            "here": self.address(_name_of(request), request),
            **shown,
        }
        request.current_app = self.site.name
        return TemplateResponse(request, f"sessions/{name}.html", context)


def _user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def _name_of(request: HttpRequest) -> str:
    return request.resolver_match.url_name or "" if request.resolver_match else ""


def _in_groups(secret: NewSecret) -> str:
    text = secret.base32
    return " ".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
