"""ZapAuth's settings with the baselines' cheap hasher. Only log-ins and the rows of new users need it."""

from zapauth.settings import *  # noqa: F403

PASSWORD_HASHERS = ["bench.baselines.hashers.CheapArgon2"]
