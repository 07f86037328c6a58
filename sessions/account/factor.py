"""The pages of the user's own second factor."""

from functools import wraps
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from sessions.account.forms import CodeField, PasswordField, ProvingForm
from sessions.account.guard import own_page, safe_target
from sessions.models import Session
from sessions.own_factor import FactorPages, View

_END_OTHERS = "End all my other sessions"


class ConfirmationForm(forms.Form):
    """The first code of a new secret."""

    code = CodeField(label="Code that your app shows now")
    end_others = forms.BooleanField(required=False, label=_END_OTHERS)


class SwitchingOffForm(forms.Form):
    """The password, which is always asked for, and whether other sessions end."""

    password = PasswordField(label="Your password", autocomplete="current-password")
    end_others = forms.BooleanField(required=False, label=_END_OTHERS)


class AccountFactorPages(FactorPages):
    namespace, first_page = "account", "second_factor"
    confirmation_form, switching_off_form, proving_form = ConfirmationForm, SwitchingOffForm, ProvingForm

    def wrap(self, view: View) -> View:
        @wraps(view)
        def without_session(request: HttpRequest, session: Session) -> HttpResponseBase:
            return view(request)  # it finds the session itself

        return own_page(without_session)

    def show(self, request: HttpRequest, name: str, title: str, **shown: Any) -> HttpResponse:
        return render(request, f"account/{name}.html", {"title": title, "next": self.next_of(request), **shown})

    def next_of(self, request: HttpRequest) -> str:
        return safe_target(request, request.GET.get("next", ""))
