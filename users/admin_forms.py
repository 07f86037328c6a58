"""Admin forms that save only the fields that staff changed."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin


class SavesChanges(ModelAdmin):
    """Save only the fields that differ from what the form showed.

    Others may write the same row while the form is open. A form that saves every field would undo their changes: a new
    password, a cut-off, a disabled account. So the form contains the values that it showed (`show_hidden_initial`).
    """

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        # A script may leave out the shown values. Then the fields are compared with the row.
        carries = request.method != "POST" or any(name.startswith("initial-") for name in request.POST)
        for field in form.base_fields.values():
            field.show_hidden_initial = change and carries
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        elif fields := changed_columns(form):
            now = [field.name for field in obj._meta.concrete_fields if getattr(field, "auto_now", False)]
            obj.save(update_fields=[*fields, *now])

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            form.cleaned_data = {name: form.cleaned_data[name] for name in form.changed_data}
        super().save_related(request, form, formsets, change)


def changed_columns(form: Any) -> dict[str, Any]:
    """Return the new values of the changed fields that are columns of the model's own table."""
    columns = {field.name for field in form._meta.model._meta.concrete_fields}
    return {name: form.cleaned_data[name] for name in form.changed_data if name in columns}
