from typing import Any

from bench.baselines.settings import *  # noqa: F403
from bench.baselines.settings import INSTALLED_APPS, REST_FRAMEWORK

ROOT_URLCONF = "bench.baselines.plain_simplejwt.urls"
INSTALLED_APPS += ["rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]
REST_FRAMEWORK |= {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
}
SIMPLE_JWT: dict[str, Any] = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
