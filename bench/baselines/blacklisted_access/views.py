from typing import Any, cast

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from bench.baselines.blacklisted_access.tokens import PairedRefreshToken, RevocableAccessToken


class LoginSerializer(TokenObtainPairSerializer):
    token_class = PairedRefreshToken


class LoginView(TokenObtainPairView):
    serializer_class = LoginSerializer


class RefreshSerializer(TokenRefreshSerializer):
    token_class = PairedRefreshToken


class RefreshView(TokenRefreshView):
    serializer_class = RefreshSerializer


class LogoutView(APIView):
    """Blacklist both tokens of the pair, or neither."""

    @transaction.atomic
    def post(self, request: Request) -> Response:
        cast(RevocableAccessToken, request.auth).blacklist()
        PairedRefreshToken(cast(dict[str, Any], request.data)["refresh"]).blacklist()
        return Response(status=204)
