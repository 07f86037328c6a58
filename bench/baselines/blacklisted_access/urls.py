from django.urls import path

from bench.baselines.blacklisted_access.views import LoginView, LogoutView, RefreshView
from bench.baselines.views import MeView, ping

urlpatterns = [
    path("ping", ping),
    path("me/", MeView.as_view()),
    path("token/", LoginView.as_view()),
    path("token/refresh/", RefreshView.as_view()),
    path("logout/", LogoutView.as_view()),
]
