"""The form of an invitation to the staff, and the signed form of what staff were shown."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
)

from sessions.invitations import Invitation
from sessions.signed import read_signed, sign
from users.models import User
from users.printable import validate_identity, validate_name

_SALT = "sessions.admin.invitation"
NAME_LENGTH = 150
_GOOD_FOR = timedelta(hours=1)
_IN_GROUPS, _SUPERUSER = "groups", "superuser"


class InviteForm(forms.Form):
    """The form of an invitation: the person, and their role."""

    email = forms.EmailField(
        max_length=320,
        validators=[validate_identity],
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    name = forms.CharField(
        max_length=150,
        required=False,
        validators=[validate_name],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    username = forms.CharField(
        label="User name",
        max_length=NAME_LENGTH,
        required=False,
        validators=[validate_identity],
        help_text="Leave it empty, and the person chooses it.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(
        choices=[(_IN_GROUPS, "Member of groups"), (_SUPERUSER, "Superuser: may do everything")],
        initial=_IN_GROUPS,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )

    def clean_username(self) -> str:
        name = User.normalize_username(self.cleaned_data["username"])
        if len(name) > NAME_LENGTH:  # normalization can make it longer
            raise forms.ValidationError(f"Choose a name of at most {NAME_LENGTH} characters.")
        if name and User.objects.filter(username__iexact=name, deleted_at=None).exists():
            raise forms.ValidationError("Another user has this name already.")
        return name

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = self.cleaned_data
        if typed.get("role") == _IN_GROUPS and not typed.get("groups") and "groups" not in self.errors:
            self.add_error("groups", "Choose at least one group. Without one they may do nothing.")
        return typed

    @property
    def invitation(self) -> Invitation:
        typed, is_superuser = self.cleaned_data, self.cleaned_data["role"] == _SUPERUSER
        groups = () if is_superuser else tuple(group.pk for group in typed["groups"])
        named = {name: typed[name] for name in ("email", "name", "username")}
        return Invitation(**named, is_superuser=is_superuser, groups=groups)


@dataclass(frozen=True)
class Sealed:
    """An invitation that was shown to staff. ``holder``: the id of the user who has that email already."""

    invitation: Invitation
    holder: str | None

    @property
    def roles(self) -> str:
        """Return what the person may do, in words."""
        names = Group.objects.filter(pk__in=self.invitation.groups).order_by("name").values_list("name", flat=True)
        return "superuser" if self.invitation.is_superuser else ", ".join(names)


def seal(sealed: Sealed, *, actor: User) -> str:
    """Sign what ``actor`` was shown. The confirmation must return it unchanged."""
    facts = {"invitation": asdict(sealed.invitation), "holder": sealed.holder, "actor": actor.pk}
    return sign(facts, salt=_SALT)


def unseal(token: str, *, actor: User) -> Sealed:
    """Return what `seal` has signed for ``actor``. Raises: PermissionDenied."""
    try:
        facts = read_signed(token, salt=_SALT, good_for=_GOOD_FOR)
    except BadSignature as error:
        raise PermissionDenied("The page is not signed by us, or too old.") from error
    if facts["actor"] != actor.pk:
        raise PermissionDenied("The page was made for another user.")
    named = facts["invitation"]
    return Sealed(Invitation(**named | {"groups": tuple(named["groups"])}), facts["holder"])
