"""ZapAuth's settings with the baselines' cheap hasher. It affects only log-ins and the making of users."""

from zapauth.settings import *  # noqa: F403

PASSWORD_HASHERS = ["bench.baselines.hashers.CheapArgon2"]
