from django.apps import AppConfig
from django.conf import settings

from tests.history.faults.catalogue import FAULTS


class FaultsConfig(AppConfig):
    """Seeds the fault that `settings.TEST_FAULT` names, when Django has loaded: in each worker, and in commands."""

    name = "tests.history.faults"
    label = "test_faults"

    def ready(self) -> None:
        FAULTS[settings.TEST_FAULT].seed()
