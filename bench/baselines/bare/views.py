from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest, JsonResponse
from django.views import View

from bench.logins import PASSWORD


class MeView(View):
    """The same answer for everybody."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 1, "username": "bench_1", "email": "bench.1@example.org", "name": ""})


class HashView(View):
    """Checks one password, as a login does, and does nothing else."""

    encoded = make_password(PASSWORD)

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"right": check_password(PASSWORD, self.encoded)})
