from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class MeView(APIView):
    """Return the caller. It uses no serializer, which would only add cost."""

    def get(self, request: Request) -> Response:
        user = cast(User, request.user)
        facts: dict[str, Any] = {"id": user.pk, "username": user.username, "email": user.email}
        return Response(facts | {"name": user.get_full_name(), "created": user.date_joined})


def ping(request: HttpRequest) -> HttpResponse:
    return HttpResponse("pong")
