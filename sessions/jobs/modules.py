"""The modules that have jobs."""

from importlib import import_module

WITH_JOBS = (
    "sessions.inspect.figures",
    "sessions.mail",
    "sessions.mail_sending",
    "sessions.passwords",
    "sessions.verification",
)


def load_jobs() -> None:
    """Make all jobs known to this process."""
    for module in WITH_JOBS:
        import_module(module)
