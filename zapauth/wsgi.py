"""The WSGI application. `zapauth.server.worker` calls it for each request."""

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import reset_queries

from zapauth.quick_start import without_garbage_collection

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BOUNDARY = re.compile(r"boundary=[\w'()+,./:=?-]{1,70}", re.ASCII)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")


def with_plain_content_types(app: "WSGIApplication") -> "WSGIApplication":
    """Remove every parameter of the content type except a boundary.

    With a charset like "hex", Django would fail to decode the query before our code runs. We serve UTF-8 only.
    """

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
        if parameters:
            boundary = _BOUNDARY.search(parameters)
            environ["CONTENT_TYPE"] = f"{kind.strip()}; {boundary[0]}" if boundary else kind.strip()
        return app(environ, start_response)

    return plain


# Two of Django's steps for each request have nothing to do here: no cache has connections, and without DEBUG no queries
# are collected.
request_started.disconnect(reset_queries)
request_finished.disconnect(close_caches)
with without_garbage_collection():
    application = with_plain_content_types(get_wsgi_application())
