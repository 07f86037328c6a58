from django.apps import AppConfig
from django.conf import settings

from tests.history.faults.catalogue import FAULTS


class FaultsConfig(AppConfig):
    """Seeds the fault that `settings.TEST_FAULT` names, if any, in each worker and each command."""

    name = "tests.history.faults"
    label = "test_faults"

    def ready(self) -> None:
        if settings.TEST_FAULT:
            FAULTS[settings.TEST_FAULT].seed()
