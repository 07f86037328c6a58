from bench.baselines.plain_simplejwt.settings import *  # noqa: F403
from bench.baselines.plain_simplejwt.settings import SIMPLE_JWT

ROOT_URLCONF = "bench.baselines.blacklisted_access.urls"
SIMPLE_JWT |= {"AUTH_TOKEN_CLASSES": ["bench.baselines.blacklisted_access.tokens.RevocableAccessToken"]}
