"""The pages of app keys: make an app, rotate its key, end the previous key. A new key is shown once."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from sessions.admin.confirm import Question, WhyForm, actor_of, ask
from sessions.factor_forms import ProvingForm
from users.admin import NoDelete
from users.admin_record import ordered_by
from users.clients import (
    NewApp,
    create_app,
    end_previous_key,
    has_key,
    is_app_name,
    key_mark,
    previous_works,
    rotate_key,
)
from users.errors import AppUnchanged
from users.models import App, is_object_id
from users.permissions import Act, may_as_staff, may_with_app

# How long the previous key may work, in seconds.
OVERLAPS = {0: "not at all", 3600: "1 hour", 86_400: "24 hours", 7 * 86_400: "7 days", 30 * 86_400: "30 days"}
DEFAULT_OVERLAP = 86_400


def _limit(name: str) -> Any:
    """Return the form field of a column of the app, in the theme's look. It checks what the column checks."""
    column = App._meta.get_field(name)
    return column.formfield(widget=UnfoldAdminTextInputWidget, validators=column.validators)  # type: ignore[union-attr]


class NewAppForm(ProvingForm):
    """A new app. Its key is made by chance, so nobody types one."""

    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True, "autocomplete": "off"}),
        help_text="What staff see. It can't be changed later.",
    )
    signed = forms.BooleanField(
        label="Its clients sign their requests, with a shared secret",
        required=False,
        widget=UnfoldBooleanWidget,
    )
    session_lifetime = _limit("session_lifetime")
    idle_timeout = _limit("idle_timeout")
    sessions_per_user = _limit("sessions_per_user")

    field_order = ("name", "signed", "session_lifetime", "idle_timeout", "sessions_per_user", "proof")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if not is_app_name(name):
            raise forms.ValidationError("Choose another name. The service uses this one, or it is not printable.")
        if App.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError("There is an app with this name already.")
        return name

    def made(self, request: HttpRequest) -> NewApp:
        """Make the app. Raises: django.db.IntegrityError, when the name was taken a moment ago."""
        facts = self.cleaned_data
        limits = {name: facts[name] for name in ("session_lifetime", "idle_timeout", "sessions_per_user")}
        return create_app(facts["name"], signed=facts["signed"], limits=limits, **ordered_by(request))


class RotationForm(WhyForm):
    """Why the key is rotated, and how long the previous one works."""

    overlap = forms.TypedChoiceField(
        label="The present key works for",
        choices=list(OVERLAPS.items()),
        coerce=int,
        initial=DEFAULT_OVERLAP,
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("overlap", "note", "typed", "proof")


class KeyPages(NoDelete):
    """Make an app, rotate its key, end the previous key."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:app_id>/rotate-key/", wrap(self.rotate_view), name="users_app_rotate_key"),
            path("<str:app_id>/end-previous-key/", wrap(self.end_previous_view), name="users_app_end_previous_key"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for the facts about a new app; a valid POST makes it and shows its key, once."""
        if not may_as_staff(actor_of(request), Act.ADD_APP):
            raise PermissionDenied
        form = NewAppForm(request.POST if request.method == "POST" else None, request=request)
        if form.is_bound and form.is_valid():
            try:
                return self._show(request, form.made(request), "The app is made")
            except IntegrityError:
                form.add_error("name", "There is an app with this name already.")
        return self._page(request, "app_new", "Add an app", form=form)

    def rotate_view(self, request: HttpRequest, app_id: str) -> HttpResponse:
        """Ask for confirmation; a confirmed POST makes a new key and shows it, once."""
        app = seen_app(request, app_id, Act.ROTATE_KEY)
        if not has_key(app):
            messages.warning(request, f"{app.name} has no key.")
            return HttpResponseRedirect(page_of(app))
        form = RotationForm(request.POST or None, request=request, is_grave=True, needs_reason=True)
        if not form.is_confirmed:
            question = _rotation_question(app, request.path)
            return ask(request, self.admin_site, question, form)
        overlap, note = timedelta(seconds=form.cleaned_data["overlap"]), form.cleaned_data["note"]
        # If the browser sends the form again, the app has another key, and nothing happens.
        seen = request.POST.get("instead_of", "")
        try:
            new = rotate_key(app, overlap=overlap, instead_of=seen, note=note, **ordered_by(request))
        except AppUnchanged:
            messages.warning(request, "Nothing was changed: the key of this app was rotated a moment ago.")
            return HttpResponseRedirect(page_of(app))
        return self._show(request, new, "The key is rotated")

    def end_previous_view(self, request: HttpRequest, app_id: str) -> HttpResponse:
        """Ask for confirmation; a confirmed POST refuses the previous key from now on."""
        app = seen_app(request, app_id, Act.ROTATE_KEY)
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _end_question(app, request.path), form)
        try:
            end_previous_key(app, note=form.cleaned_data["note"], **ordered_by(request))
        except AppUnchanged:
            messages.warning(request, f"{app.name} has no previous key that works.")
        else:
            messages.success(request, f"The previous key of {app.name} is refused from now on.")
        return HttpResponseRedirect(page_of(app))

    def _show(self, request: HttpRequest, new: NewApp, title: str) -> HttpResponse:
        return self._page(request, "app_key", title, app=new.app, new=new, next=page_of(new.app))

    def _page(self, request: HttpRequest, name: str, title: str, **shown: Any) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **shown}
        response = TemplateResponse(request, f"sessions/{name}.html", context)
        response["Cache-Control"] = "no-store"
        return response


def seen_app(request: HttpRequest, app_id: str, act: Act) -> App:
    """Return the app, if the actor may do ``act`` to it. Raises: Http404, PermissionDenied."""
    app = App.objects.filter(pk=app_id).first() if is_object_id(app_id) else None
    if app is None:
        raise Http404
    if not may_with_app(actor_of(request), act, app):
        raise PermissionDenied
    return app


def page_of(app: App) -> str:
    return reverse("admin:users_app_change", args=[app.pk])


def _what(app: App) -> str:
    return "key and shared secret" if app.sealed_secret else "key"


def _rotation_question(app: App, url: str) -> Question:
    what = _what(app)
    happens = [
        f"{app.name} gets a new {what}. You see {'them' if app.sealed_secret else 'it'} once, on the next page.",
        f"The present {what} {'work' if app.sealed_secret else 'works'} for the time that you choose.",
        *(["The previous key, which still works now, is refused at once."] if previous_works(app) else []),
        "Registered devices and logged-in users notice nothing"
        + (", until the old secret is refused." if app.sealed_secret else "."),
    ]
    hidden = {"instead_of": key_mark(app)}
    title = f"Rotate the {what} of {app.name}?"
    return Question(title, f"Rotate the {what}", url, page_of(app), happens, icon="key", hidden=hidden)


def _end_question(app: App, url: str) -> Question:
    what = _what(app)
    happens = [
        f"The previous {what} of {app.name} {'are' if app.sealed_secret else 'is'} refused from the next request on.",
        f"A version of the app that still has it can't register devices{_signs(app)}.",
    ]
    title = f"End the previous {what} of {app.name}?"
    return Question(title, f"End the previous {what}", url, page_of(app), happens, icon="key_off")


def _signs(app: App) -> str:
    return " any more, and none of its requests is accepted" if app.sealed_secret else " any more"
