"""The routes for services, at the root. `zapauth.request_facts` has their first segments."""

from django.urls import URLPattern, URLResolver, re_path

from zapauth.services.events import EventViewSet
from zapauth.services.metadata import MetadataViewSet
from zapauth.services.push.viewsets import PushViewSet
from zapauth.services.tokens import TokenViewSet

# A path may end with a slash.
urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^\.well-known/jwks\.json/?$", MetadataViewSet.as_view({"get": "keys"})),
    re_path(r"^\.well-known/zapauth/?$", MetadataViewSet.as_view({"get": "declared"})),
    re_path(r"^\.well-known/oauth-authorization-server/?$", MetadataViewSet.as_view({"get": "server"})),
    re_path(r"^\.well-known/oauth-authorization-server/(?P<path>.+)$", MetadataViewSet.as_view({"get": "server"})),
    re_path(r"^oauth/introspect/?$", TokenViewSet.as_view({"post": "introspect"})),
    re_path(r"^oauth/revoke/?$", TokenViewSet.as_view({"post": "revoke"})),
    re_path(r"^push/check/?$", PushViewSet.as_view({"post": "check"})),
    re_path(r"^push/tokens/?$", PushViewSet.as_view({"get": "tokens"})),
    re_path(r"^push/gone/?$", PushViewSet.as_view({"post": "gone"})),
    re_path(r"^events/?$", EventViewSet.as_view({"get": "stream"})),
]
