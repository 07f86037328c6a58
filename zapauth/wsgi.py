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


def with_chunked_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Give a body sent without a length (RFC 9112 §7.1, `chunked`) the length that Django goes by.

    Django would take such a body for empty. One byte over the limit is enough to be refused.
    """

    def measured(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            from django.conf import settings

            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
        return app(environ, start_response)

    return measured


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
application = with_chunked_bodies(get_wsgi_application())
