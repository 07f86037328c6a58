"""The page that explains a token or a cookie of the admin: which rule accepts or refuses it now."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminTextareaWidget

from sessions.admin.confirm import actor_of
from sessions.inspect.token import explain
from users.permissions import Act, may


class TokenForm(forms.Form):
    token = forms.CharField(
        label="Token, or cookie of the admin",
        max_length=16_384,
        widget=UnfoldAdminTextareaWidget(
            attrs={
                "rows": 5,
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "placeholder": "eyJhbGciOi…",
            }
        ),
    )


@sensitive_post_parameters("token")
def explain_view(request: HttpRequest) -> HttpResponse:
    """Explain the token in the body; it is never in the URL. The answer doesn't contain the token."""
    if not may(actor_of(request), Act.EXPLAIN):
        raise PermissionDenied
    form = TokenForm(request.POST or None)
    if request.method == "GET":  # after a POST it would scroll the answer out of view
        form.fields["token"].widget.attrs["autofocus"] = True
    found = explain(form.cleaned_data["token"]) if request.method == "POST" and form.is_valid() else None
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Explain a token",
        "form": form if found is None else TokenForm(),
        "found": found,
    }
    request.current_app = admin.site.name
    response = TemplateResponse(request, "sessions/explain.html", context)
    response["Cache-Control"] = "no-store"
    return response
