"""Times and numbers of threads of the queues."""

from datetime import timedelta

# The threads of each queue, in each server. A thread mostly waits for the mail server.
THREADS = {"mail": 4, "other": 2}

LOOK_EVERY = timedelta(seconds=0.25)  # between two looks for a job while none waits
SIGN_OF_LIFE_EVERY = timedelta(seconds=2)
DEAD_AFTER = timedelta(seconds=10)  # without a sign of life, after which other servers take over the jobs
FORGOTTEN_AFTER = timedelta(minutes=10)
AFTER_ERROR = timedelta(seconds=0.5)  # after a failure, until the database is asked again
LAST_JOBS = timedelta(seconds=5)  # how long a server that stops waits for its running jobs

# The pauses double, between two tries of a job and of a queue whose mail server can't be reached.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
FIRST_PAUSE_OF_QUEUE, LONGEST_PAUSE_OF_QUEUE = timedelta(seconds=1), timedelta(minutes=1)
# A job whose server died waits longer each time, because the job may be what crashes the server.
PAUSE_AFTER_DEATH = timedelta(seconds=5)


def doubled(first: timedelta, longest: timedelta, times: int) -> timedelta:
    """Return ``first``, doubled that many times, but ``longest`` at most."""
    return min(first * int(2 ** min(times, 20)), longest)
