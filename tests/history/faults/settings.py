"""The settings of a history with one mistake: the fault that ZAPAUTH_TEST_FAULT names. Each process of a server has it.

The servers' workers are new processes, and inherit the environment. So they read these settings, too.
"""

import os

from tests.history.settings import *  # noqa: F403
from tests.history.settings import INSTALLED_APPS

TEST_FAULT = os.environ["ZAPAUTH_TEST_FAULT"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.history.faults.apps.FaultsConfig"]
