"""The routes for services, at the root. `zapauth.request_facts` has their first segments."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
