"""The page at `/`, with links to the documentation and the admin."""

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt  # a POST gets the 404 instead of a CSRF error
def home(request: HttpRequest) -> HttpResponse:
    """Answer GET and HEAD with the page. Any other method gets Buddy's 404, like an unknown path."""
    if request.method not in ("GET", "HEAD"):
        raise Http404
    return HttpResponse(render_to_string("zapauth/home.html"))
