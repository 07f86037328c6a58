"""Django as a WSGI application: what `zapauth.server.worker` calls for each request."""

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BOUNDARY = re.compile(r"boundary=[\w'()+,./:=?-]{1,70}", re.ASCII)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")


def with_plain_content_types(app: "WSGIApplication") -> "WSGIApplication":
    """Leave no parameter in the content type but a boundary.

    Django would decode the query by a charset like "hex", and fail before any of our code runs. All that is
    served is UTF-8.
    """

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
        if parameters:
            boundary = _BOUNDARY.search(parameters)
            environ["CONTENT_TYPE"] = f"{kind.strip()}; {boundary[0]}" if boundary else kind.strip()
        return app(environ, start_response)

    return plain


application = with_plain_content_types(get_wsgi_application())
