"""The routes for services, at the root. `zapauth.request_facts` has their first segments."""

from django.urls import URLPattern, URLResolver, re_path

from zapauth.services.events import EventViewSet

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^events/?$", EventViewSet.as_view({"get": "stream"})),
]
