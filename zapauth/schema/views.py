"""The description of the API, for programs (`/schema`) and for people (`/docs`)."""

from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpResponse
from django.utils.encoding import force_bytes
from django.views.generic import TemplateView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from zapauth.schema.buddy import dialect as _buddy  # noqa: F401  # sets the viewsets' schema
from zapauth.schema.services import dialect as _services  # noqa: F401  # sets the viewsets' schema
from zapauth.schema.zap import dialect as _zap  # noqa: F401  # sets the viewsets' schema

# drf-spectacular's generator keeps its state in the classes that it describes.
_one_at_a_time = Lock()


class SchemaView(SpectacularAPIView):
    """The description in YAML, or in JSON by `Accept` or `?format=json`. Each worker makes it once and keeps it."""

    schema = None  # the description does not contain its own route

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        return HttpResponse(
            _rendered(renderer.format),
            content_type=f"{renderer.media_type}; charset=utf-8",
            headers={"Content-Disposition": f'inline; filename="zapauth.{renderer.format}"'},
        )


class DocsView(TemplateView):
    """Swagger UI, with all of its files from this server."""

    template_name = "zapauth/docs.html"


@cache
def _rendered(form: str) -> bytes:
    renderer = OpenApiYamlRenderer() if form == "yaml" else OpenApiJsonRenderer()
    with _one_at_a_time:
        description = SchemaGenerator().get_schema(public=True)
    return force_bytes(renderer.render(description, renderer_context={}))
