"""Lets staff without a second factor only set one up, if `STAFF_SECOND_FACTOR` is on.

The middleware asks this module before each page of the admin, so a new page is closed without further work.
"""

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from users.permissions import must_have_factor
from users.second_factor.enabling import has_factor

# The pages that staff may use before they have a second factor, by the names of their URLs.
OPEN = {"admin:login", "admin:login_code", "admin:logout", "admin:second_factor", "admin:second_factor_confirm"}


def stop_without_factor(request: HttpRequest) -> HttpResponse | None:
    """Send staff who lack a second factor to the page that sets one up. Return None if the request may go on.

    Raises: PermissionDenied, for a request that would change something.
    """
    if request.resolver_match is not None and request.resolver_match.view_name in OPEN:
        return None
    user = request.user
    if not user.is_authenticated or not must_have_factor(user) or has_factor(user):
        return None
    if request.method not in ("GET", "HEAD"):
        raise PermissionDenied
    there = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{there}")
