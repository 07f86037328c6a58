from django.urls import path
from knox.views import LogoutView

from bench.baselines.knox.views import LoginView
from bench.baselines.views import MeView, ping

urlpatterns = [
    path("ping", ping),
    path("me/", MeView.as_view()),
    path("login/", LoginView.as_view()),
    path("logout/", LogoutView.as_view()),
]
