"""The suite's settings for workers whose Python does not come to its end by itself."""

import atexit
import multiprocessing
import threading

from tests.settings import *  # noqa: F403

if multiprocessing.parent_process():
    atexit.register(threading.Event().wait)
