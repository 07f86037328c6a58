"""The routes for services, at the root. `zapauth.request_facts` has their first segments."""

from django.urls import URLPattern, URLResolver, re_path

from zapauth.services.push.viewsets import PushViewSet

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^push/check/?$", PushViewSet.as_view({"post": "check"})),
    re_path(r"^push/tokens/?$", PushViewSet.as_view({"get": "tokens"})),
    re_path(r"^push/gone/?$", PushViewSet.as_view({"post": "gone"})),
]
