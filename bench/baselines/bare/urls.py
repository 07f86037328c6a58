from django.urls import path

from bench.baselines.bare.views import HashView, MeView
from bench.baselines.views import ping

urlpatterns = [path("ping", ping), path("me/", MeView.as_view()), path("hash/", HashView.as_view())]
