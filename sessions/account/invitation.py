"""The page behind the link of an invitation to the staff: the person chooses their user name and their password.

The link proves that its holder reads the mail of the invited person, so nobody has to be logged in here. Programs that
scan mail open every link. They find a form, and nothing changes.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from sessions.account.forms import PasswordField
from sessions.account.guard import open_page
from sessions.invitations import accept, find_invited
from users.errors import IdentityTaken, LinkInvalid, PasswordRefused
from users.models import OneUseLink, User
from users.origin import Origin
from users.printable import validate_identity


class AcceptForm(forms.Form):
    # It normalizes the name, which can make it longer, before it checks the length.
    username = UsernameField(
        label="User name",
        max_length=150,
        validators=[validate_identity],
        help_text="You log in with it. You may change it here.",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = PasswordField(label="Password", autocomplete="new-password")
    again = PasswordField(label="Password again", autocomplete="new-password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = password_validators_help_text_html()

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = self.cleaned_data
        if "password" in typed and "again" in typed and typed["password"] != typed["again"]:
            self.add_error("again", "The two passwords are not the same.")
        return typed


@open_page
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Ask for a user name and a password. POST sets them and leads to the log-in of the admin."""
    link = find_invited(token)
    if link is None:
        return _without_address(render(request, "account/invitation_gone.html", status=404))
    form = AcceptForm(request.POST if request.method == "POST" else None, initial={"username": link.user.username})
    if form.is_bound and form.is_valid():
        try:
            user = _accepted(request, form, link)
        except LinkInvalid:  # another request has used it, or it was withdrawn a moment ago
            return _without_address(render(request, "account/invitation_gone.html", status=404))
        if user is not None:
            messages.success(request, f"Your password is set. Log in as {user.username}.")
            return _without_address(HttpResponseRedirect(reverse("admin:login")))
    return _without_address(render(request, "account/invitation.html", {"form": form, "invited": link.user}))


def _accepted(request: HttpRequest, form: AcceptForm, link: OneUseLink) -> User | None:
    """Accept the invitation and return the user. None: the form has an error. Raises: LinkInvalid."""
    chosen = {name: form.cleaned_data[name] for name in ("username", "password")}
    try:
        return accept(link, **chosen, origin=Origin.of(request))
    except PasswordRefused as error:
        form.add_error("password", list(error.reasons))
    except IdentityTaken:
        form.add_error("username", "Another user has this name already.")
    return None


def _without_address(response: HttpResponse) -> HttpResponse:
    """Keep the page's address, which is a secret, from the requests of other pages and from search engines."""
    # Not `no-referrer`: with it, browsers send no origin with the form, and Django's check against forgery needs that.
    response["Referrer-Policy"] = "strict-origin"
    response["X-Robots-Tag"] = "noindex"
    return response
