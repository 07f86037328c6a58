"""The page that asks staff to confirm an act: what happens, to how many sessions, and why."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from sessions.browser import find_session
from sessions.bulk.preview import Preview
from sessions.factor_forms import ProvingForm
from sessions.models import BulkRun
from sessions.selection.describe import in_words
from sessions.selection.selection import Selection
from sessions.signed import read_signed, sign
from users.clock import database_now
from users.models import User

SAMPLE = 8
_SALT = "sessions.admin.order"
_GOOD_FOR = timedelta(hours=1)  # staff must look at an older preview again


class WhyForm(ProvingForm):
    """Why staff order an act. For a large or grave one they also give their password or a code, if that is long ago.

    Args: is_grave: whether the act always needs a recent password or code.
    """

    note = forms.CharField(
        label="Reason",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 2, "placeholder": "For example: phone stolen, ticket 4711", "autofocus": True}
        ),
    )
    typed = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "numeric"})
    )

    field_order: tuple[str, ...] = ("note", "typed", "proof")

    def __init__(
        self,
        *args: Any,
        request: HttpRequest,
        found: Preview | None = None,
        is_grave: bool = False,
        needs_reason: bool = False,
        **kwargs: Any,
    ) -> None:
        self.found, self.needs_reason = found, needs_reason
        super().__init__(*args, request=request, asks_again=is_grave or self.wants_count, **kwargs)
        if self.wants_reason:
            self.fields["note"].required = True
        if self.wants_count:
            self.fields["typed"].required = True
            self.fields["typed"].label = f"Type {self._count} to go on"
        else:
            del self.fields["typed"]

    @property
    def wants_reason(self) -> bool:
        return self.needs_reason or (self.found is not None and self.found.is_of_many)

    @property
    def wants_count(self) -> bool:
        """Whether staff must type the number of sessions. `manage.py logout` has the same limit."""
        return self._count > settings.BULK_CONFIRM_OVER

    @property
    def is_confirmed(self) -> bool:
        """Whether the form was sent and is valid."""
        return self.is_bound and self.is_valid()

    @property
    def _count(self) -> int:
        return self.found.count if self.found is not None else 0

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.replace(",", "").strip() != str(self._count):
            raise forms.ValidationError(f"Type {self._count:,}, the number of sessions.")
        return typed


@dataclass(frozen=True)
class Question:
    """A page that asks staff to confirm an act. ``is_harmless``: the act takes nothing away from anybody."""

    title: str
    button: str
    url: str
    back: str
    happens: list[str]
    token: str = ""
    icon: str = "logout"
    is_harmless: bool = False
    hidden: dict[str, str] = field(default_factory=dict)


def ask(
    request: HttpRequest, site: AdminSite, question: Question, form: WhyForm, *, status: int = 200
) -> TemplateResponse:
    found = form.found
    context = {
        **site.each_context(request),
        "title": "Are you sure?",
        "question": question,
        "form": form,
        "found": found,
    }
    if found is not None:
        sample = {"sample": found.sample(SAMPLE), "more": max(0, found.count - SAMPLE)}
        context |= {"words": in_words(found.selection), **sample}
        context["includes_this_browser"] = _includes_this_browser(request, found.selection)
    request.current_app = site.name
    response = TemplateResponse(request, "sessions/confirm.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _includes_this_browser(request: HttpRequest, selection: Selection) -> bool:
    session = find_session(request)
    return session is not None and selection.queryset(now=database_now()).filter(pk=session.pk).exists()


def seal(selection: Selection, *, everywhere: bool, count: int, actor: User) -> str:
    """Sign the preview that ``actor`` was shown. The confirmation must return it unchanged."""
    order = {"selection": selection.as_json(), "everywhere": everywhere, "count": count, "actor": actor.pk}
    return sign(order, salt=_SALT)


def unseal(token: str, *, actor: User) -> tuple[Selection, bool, int]:
    """Return the selection, whether all sessions of its users are meant, and the count. Raises: PermissionDenied."""
    try:
        order = read_signed(token, salt=_SALT, good_for=_GOOD_FOR)
    except BadSignature as error:
        raise PermissionDenied("The preview is not signed by us, or too old.") from error
    if order["actor"] != actor.pk:
        raise PermissionDenied("The preview was made for another user.")
    return Selection.from_json(order["selection"]), order["everywhere"], order["count"]


def report(request: HttpRequest, run: BulkRun) -> HttpResponse:
    """Tell staff what was done, and redirect to the run's page, which shows the progress of a long run."""
    url = reverse("admin:user_sessions_bulkrun_change", args=[run.pk])
    if run.finished_at is None:
        messages.info(request, f"Ending {run.expected:,} sessions. It goes on if you leave this page.")
    else:
        ended = f"{count_of_sessions(run.ended)} ended."
        messages.success(request, format_html('{} <a href="{}" class="underline">The record</a>', ended, url))
    return HttpResponseRedirect(url)


def count_of_sessions(count: int) -> str:
    return f"{count:,} session{'' if count == 1 else 's'}"


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)
