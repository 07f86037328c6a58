"""Requests to a gateway, on a kept connection or byte by byte."""

import socket
from contextlib import closing, suppress

from tests.phones import Reply, reply_of, reply_on


def ask(line, token=None, *, method="GET", path="/", body=None, **headers) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        given["Authorization"] = f"Bearer {token}"
    # A gateway may refuse a request, and close the connection, before it has read the whole body.
    with suppress(BrokenPipeError):
        line.request(method, path, body=body, headers=given, encode_chunked=isinstance(body, list))
    return reply_of(line.getresponse())


def ask_raw(gateway, *lines) -> Reply:
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return reply_on(connection)


def value_of(reply, name):
    """Return the only value of a header that reached the service."""
    (value,) = [value for given, value in reply.json["headers"] if given.lower() == name.lower()]
    return value
