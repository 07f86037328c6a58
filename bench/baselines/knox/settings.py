from bench.baselines.settings import *  # noqa: F403
from bench.baselines.settings import INSTALLED_APPS, REST_FRAMEWORK

ROOT_URLCONF = "bench.baselines.knox.urls"
INSTALLED_APPS += ["knox"]
REST_FRAMEWORK |= {"DEFAULT_AUTHENTICATION_CLASSES": ["knox.auth.TokenAuthentication"]}
