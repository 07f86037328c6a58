"""The WSGI application that the server runs."""

import multiprocessing
import os
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")


def with_plain_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Give Django two kinds of requests in the form that it can read.

    A body sent without a length (RFC 9112 §7.1, `chunked`) it would take for empty: the length is
    measured, up to one byte over the limit, which is enough to be refused. A charset in the content
    type it would decode the query with, and fall over one like "hex" before any of our code runs:
    all that is served is UTF-8, so it is left out.
    """

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            from django.conf import settings

            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
        kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
        if "charset" in parameters.lower():
            environ["CONTENT_TYPE"] = kind.strip()
        return app(environ, start_response)

    return plain


def leave_with_parent() -> None:
    """End this worker when the server that started it is gone, however it went.

    An orphan would go on answering at the port, beside the workers of the next server.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait_and_leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, name="leave-with-parent", daemon=True).start()


leave_with_parent()
application = with_plain_bodies(get_wsgi_application())
