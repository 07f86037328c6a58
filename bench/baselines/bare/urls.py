from django.urls import path

from bench.baselines.bare.views import MeView
from bench.baselines.views import ping

urlpatterns = [path("ping", ping), path("me/", MeView.as_view())]
