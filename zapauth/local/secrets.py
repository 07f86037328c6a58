"""The secrets of a local installation: made once, and kept in files that only their owner can read."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from sessions.tokens.keys import new_private_key_pem


def secret_key(folder: Path) -> str:
    """Django's SECRET_KEY."""
    return _kept(folder / "secret_key", lambda: secrets.token_urlsafe(50))


def signing_keys(folder: Path) -> str:
    """Private keys in PEM: one that we make. To rotate it, the operator adds another one to the file."""
    return _kept(folder / "signing_keys.pem", new_private_key_pem)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text of the file. A missing file is made with mode 0600.

    Raises: ImproperlyConfigured.
    """
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent)  # 0600
        except OSError as error:
            way_out = "set DATABASE_URL, or DATA_DIR to a folder that can"
            raise ImproperlyConfigured(f"{path.parent} can't be written ({error.strerror}): {way_out}.") from error
        try:
            with os.fdopen(handle, "w") as file:
                file.write(make())
            # The link makes the whole file or none. If two processes start at once, the first one wins.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text()
