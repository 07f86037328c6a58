"""The suite's settings for workers whose Python process does not end by itself."""

import atexit
import multiprocessing
import threading

from tests.settings import *  # noqa: F403

if multiprocessing.parent_process():
    atexit.register(threading.Event().wait)
