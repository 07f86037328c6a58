"""The project's settings, but for a password hash that costs next to nothing: passwords are checked by the thousand."""

from zapauth.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
