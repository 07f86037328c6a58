"""Name the person who runs a command."""

import getpass
import socket


def operator_name() -> str:
    """Return the operating system's user who runs the command, as user@host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"[:200]
