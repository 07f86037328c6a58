from bench.baselines.settings import *  # noqa: F403

ROOT_URLCONF = "bench.baselines.bare.urls"
