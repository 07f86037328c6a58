"""The pages where users change their email and verify it by a code."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from sessions.account.forms import MailedCodeField, ProvingForm
from sessions.account.guard import own_page, user_of
from sessions.accounts import change_account
from sessions.errors import ReauthenticationRequired
from sessions.factor_forms import when_again
from sessions.models import Session
from sessions.verification import ask_for_email_code, verify_own_email
from users.errors import CodeInvalid, IdentityTaken, TooManyAttempts, UserNotFound
from users.models import User
from users.origin import Origin
from users.printable import validate_identity

EMAIL_LENGTH = 320  # as in the table


class EmailForm(ProvingForm):
    """The new email."""

    email = forms.EmailField(
        label="New email",
        max_length=EMAIL_LENGTH,
        validators=[validate_identity],
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    field_order = ["email", "proof"]


class EmailCodeForm(forms.Form):
    code = MailedCodeField()


@own_page
def change_email(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Show the email, and ask for a new one. A POST mails a code to the new one."""
    user, form = user_of(session), EmailForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_bound and form.is_valid() and _is_stored(request, session, form, form.cleaned_data["email"]):
        if user.is_latest_email_verified:
            messages.info(request, "This is your email already.")
            return redirect("account:email")
        return redirect("account:email_code")
    return render(request, "account/email.html", {"form": form, "user": user})


@own_page
def keep_email(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Ask whether to drop a new email that is not verified. A POST keeps the earlier one."""
    user, form = user_of(session), ProvingForm(request.POST if request.method == "POST" else None, request=request)
    if user.new_email is None:
        return redirect("account:email")
    if form.is_bound and form.is_valid() and _is_stored(request, session, form, user.email):
        messages.success(request, "Your email stays as it was.")
        return redirect("account:email")
    return render(request, "account/email_keep.html", {"form": form, "user": user})


@own_page
def verify(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Ask for the code that was mailed to the new email. A right one verifies it."""
    user, form = user_of(session), EmailCodeForm(request.POST if request.method == "POST" else None)
    if user.latest_email is None or user.is_latest_email_verified:
        return redirect("account:email")
    if form.is_bound and form.is_valid() and _is_verified(request, user, form):
        messages.success(request, "Your email is verified.")
        return redirect("account:email")
    return render(request, "account/email_code.html", {"form": form, "user": user})


@own_page
@require_POST
def mail_code_again(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Mail another code to the new email. It replaces the earlier one."""
    user = user_of(session)
    if user.latest_email is None or user.is_latest_email_verified:
        return redirect("account:email")
    try:
        ask_for_email_code(email=user.latest_email, user_id=user.pk, origin=Origin.of(request))
    except TooManyAttempts as error:
        messages.error(request, when_again(error))
    else:
        messages.success(request, "A new code is on its way. The earlier one does not work any more.")
    return redirect("account:email_code")


def _is_stored(request: HttpRequest, session: Session, form: forms.Form, email: str | None) -> bool:
    """Store ``email`` as the latest one. False: the form has an error."""
    field = "email" if "email" in form.fields else None
    try:
        change_account(user_of(session), current=session, origin=Origin.of(request), email=email)
    except IdentityTaken:
        form.add_error(field, "Another account has this email.")
    except TooManyAttempts as error:
        form.add_error(field, when_again(error))
    except (ReauthenticationRequired, UserNotFound):  # something happened while this request waited
        form.add_error(None, "Your account has changed meanwhile. Try again.")
    return not form.errors


def _is_verified(request: HttpRequest, user: User, form: forms.Form) -> bool:
    """Verify the email. False: the form has an error."""
    try:
        verify_own_email(user, code=form.cleaned_data["code"], origin=Origin.of(request))
    except CodeInvalid:
        form.add_error("code", "This code is wrong, used or too old.")
    except IdentityTaken:
        form.add_error(None, "Another account has verified this email meanwhile.")
    except TooManyAttempts as error:
        form.add_error("code", when_again(error))
    return not form.errors
