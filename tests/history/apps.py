"""An app without models, through which the servers of a history are patched when everything is loaded."""

from django.apps import AppConfig

SMALL_BATCH = 5  # sessions: an order over a few dozen has several batches, and can be killed between two


class HistoryConfig(AppConfig):
    name = "tests.history"
    label = "tests_history"

    def ready(self) -> None:
        from sessions.bulk import runs

        runs.BATCH = SMALL_BATCH
