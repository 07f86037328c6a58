"""The page at `/`: what this service is, and links to its documentation and its admin."""

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt  # a POST gets the 404, not a CSRF error
def home(request: HttpRequest) -> HttpResponse:
    """Answer GET and HEAD. Any other method gets Buddy's 404, as for every unknown path."""
    if request.method not in ("GET", "HEAD"):
        raise Http404
    return HttpResponse(render_to_string("zapauth/home.html"))
