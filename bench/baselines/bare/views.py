from django.http import HttpRequest, JsonResponse
from django.views import View


class MeView(View):
    """The same answer for everybody."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 1, "username": "bench_1", "email": "bench.1@example.org", "name": ""})
