"""The secrets of a local installation. They are made once, in files that only their owner can read."""

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
    """The private keys in PEM. The first one is made here. `manage.py rotatekeys` replaces it."""
    return _kept(signing_keys_file(folder), new_private_key_pem)


def signing_keys_file(folder: Path) -> Path:
    return folder / "signing_keys.pem"


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return the text of the file. If the file is missing, make it with mode 0600.

    Raises: ImproperlyConfigured.
    """
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent)  # mkstemp sets mode 0600
        except OSError as error:
            way_out = "set DATABASE_URL, or DATA_DIR to a folder that can"
            raise ImproperlyConfigured(f"{path.parent} can't be written ({error.strerror}): {way_out}.") from error
        try:
            with os.fdopen(handle, "w") as file:
                file.write(make())
            # The file appears complete or not at all. If two processes start at once, the first one wins.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text()
