"""A Django project of somebody else, in one file: `python -m tests.client_packages.other_project '{"GATE": …}'`.

`/plain` is behind the middleware, `/drf` and `/keys` are views of REST framework, `/open` is for everybody.
"""

import json
import sys

from django.conf import settings

settings.configure(
    SECRET_KEY="other",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["zapauth_client.django.ZapAuthMiddleware"],
    ZAPAUTH=json.loads(sys.argv[1]) | {"OPEN": ["/drf", "/keys", "/open"]},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["zapauth_client.drf.ZapAuthAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    LOGGING={"version": 1, "loggers": {"django.server": {"level": "ERROR"}}},
)

import django

django.setup()

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from zapauth_client.drf import ZapAuthUntilExpiryAuthentication


class ByGate(APIView):
    def get(self, request):
        return Response({"user": request.user.id, "session": request.auth.session_id})

    post = get


class ByKeys(ByGate):
    authentication_classes = [ZapAuthUntilExpiryAuthentication]


def plain(request):
    return JsonResponse({"user": request.user.id, "session": request.zapauth.session_id})


def unguarded(request):
    return JsonResponse({"verdict": request.zapauth})


urlpatterns = [
    path("plain", plain),
    path("drf", ByGate.as_view()),
    path("keys", ByKeys.as_view()),
    path("open", unguarded),
]

if __name__ == "__main__":
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    print(f"listens on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
