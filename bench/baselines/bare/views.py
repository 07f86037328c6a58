from django.http import HttpRequest, JsonResponse
from django.views import View


class MeView(View):
    """Gives the same answer to everybody."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 1, "username": "bench_1", "email": "bench.1@example.org", "name": ""})
