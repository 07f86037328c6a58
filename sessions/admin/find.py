"""The search box of the dashboard."""

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from sessions.admin.confirm import actor_of
from users.identities import find_user_by_identity
from users.models import User, is_object_id
from users.permissions import Act, may


def find_view(request: HttpRequest) -> HttpResponse:
    """Redirect to the user with that name, email, phone number or id. Otherwise redirect to the sessions that match."""
    actor = actor_of(request)
    if not may(actor, Act.SEE_SESSIONS):
        raise PermissionDenied
    term = request.GET.get("q", "").strip()
    user = _user(term) if may(actor, Act.SEE_USER) else None
    if user is not None:
        return HttpResponseRedirect(reverse("admin:users_user_change", args=[user.pk]))
    return HttpResponseRedirect(f"{reverse('admin:user_sessions_session_changelist')}?{urlencode({'q': term})}")


def _user(term: str) -> User | None:
    if not term:
        return None
    return User.objects.filter(pk=term).first() if is_object_id(term) else find_user_by_identity(term)
