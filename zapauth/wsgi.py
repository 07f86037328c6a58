"""The WSGI application that the server runs."""

import multiprocessing
import os
import re
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BOUNDARY = re.compile(r"boundary=[\w'()+,./:=?-]{1,70}", re.ASCII)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zapauth.settings")


def with_whole_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Read a request's body before Django sees the request, and put it in the form that Django can read.

    Before, so that a phone that stalls in the middle holds a thread but no database connection. Up
    to one byte over the limit, which is enough to be refused. A body sent without a length (RFC 9112
    §7.1, `chunked`), which Django would take for empty, gets one; one that ends before its length is
    unreadable. Of the content type no parameter is left but a boundary: Django would decode the query
    by a charset like "hex", and fall over it before any of our code runs; all that is served is UTF-8.
    """

    def whole(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        given = environ.get("CONTENT_LENGTH", "")
        if given or "HTTP_TRANSFER_ENCODING" in environ:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            length = int(given) if given.isascii() and given.isdigit() else None
            if length is None or length <= limit:
                body = environ["wsgi.input"].read(limit + 1 if length is None else length)
                cut_off = length is not None and len(body) < length
                environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": _CutOff() if cut_off else BytesIO(body)}
        kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
        if parameters:
            boundary = _BOUNDARY.search(parameters)
            environ["CONTENT_TYPE"] = f"{kind.strip()}; {boundary[0]}" if boundary else kind.strip()
        return app(environ, start_response)

    return whole


class _CutOff(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the body ended early")


def leave_with_parent() -> None:
    """End this worker when the server that started it says so, or is gone, however it went.

    Not by a terminal's Ctrl-C, which goes to a whole process group: the server has its workers finish
    what they do, and one that gets both signals hangs. An orphan would go on answering at the port,
    beside the workers of the next server.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    os.setpgid(0, 0)

    def wait_and_leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, name="leave-with-parent", daemon=True).start()


leave_with_parent()
application = with_whole_bodies(get_wsgi_application())
