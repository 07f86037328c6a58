"""Tell the database which keys this server has, and stop the server when one of them is reported as leaked."""

import logging
import os
import signal
import threading
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import connections

from sessions.models import RunningServer, SigningKey
from sessions.rotation import times
from sessions.rotation.ring import kids_in
from sessions.rotation.times import SILENT
from users.clock import DatabaseNow, database_now
from users.database_use import Use, set_use

logger = logging.getLogger("zapauth.server")

_STOPPING = 5.0  # seconds
_FORGET_AFTER = timedelta(days=1)


class LeakedKeys(Exception):
    """SIGNING_KEYS has a key that is reported as leaked. The text says what to do."""

    def __init__(self, kids: list[str]) -> None:
        super().__init__(
            f"SIGNING_KEYS has a key that is reported as leaked ({', '.join(kids)}): others can make tokens with it. "
            "Start with the keys that `manage.py rotatekeys leaked` made. docs/keys.md has the steps."
        )


class KeyWatch(threading.Thread):
    """A thread that renews the server's row every few seconds, until `stop`.

    If one of the server's keys is reported as leaked, it sets `leaked` and interrupts the process like Ctrl-C.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name="signing keys", daemon=True)
        self._server = RunningServer(name=name, kids=kids_in(settings.SIGNING_KEYS))
        self._stopped = threading.Event()
        self._failing = False
        self.leaked: LeakedKeys | None = None

    def begin(self) -> None:
        """Tell the database about this server, and warn if another server would refuse its tokens.

        Raises: LeakedKeys.
        """
        self._server.started_at = database_now()
        self._tell()
        self._warn_of_others()

    def run(self) -> None:
        set_use(Use.COMMAND)
        while not self._stopped.wait((times.TELL_AGAIN if self._failing else times.TELL_EVERY).total_seconds()):
            self._try_to_tell()
            with suppress(Exception):
                connections.close_all()
            if self.leaked is not None:
                os.kill(os.getpid(), signal.SIGINT)
                return

    def stop(self) -> None:
        """Delete the server's row. Call it when the workers have stopped. Waits a few seconds at most."""
        self._stopped.set()
        if self.is_alive():
            self.join(_STOPPING)
        try:
            RunningServer.objects.filter(pk=self._server.pk).delete()
            signing = self._server.kids[0]
            # A silent server may still run, and sign. If it does, it moves this time when it tells again.
            if not RunningServer.objects.filter(kids__0=signing).exists():
                SigningKey.objects.filter(pk=signing).update(signed_until=DatabaseNow())
        except Exception as error:
            logger.warning("the database still lists this server as running: %s", error)

    def _try_to_tell(self) -> None:
        try:
            self._tell()
            if self._failing:
                logger.info("the database is told again which keys this server has")
                self._warn_of_others()  # the keys may have been rotated meanwhile
        except LeakedKeys as error:
            self.leaked = error
        except Exception as error:
            if not self._failing:  # log an outage once, however long it lasts
                logger.warning("the database can't be told which keys this server has: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _tell(self) -> None:
        # Each statement commits by itself, so no two servers wait for each other.
        self._forget_others()
        # An upsert, because the row may be gone: another server deletes it after a long outage.
        kids = self._server.kids
        RunningServer.objects.bulk_create(
            [
                RunningServer(
                    pk=self._server.pk,
                    name=self._server.name,
                    kids=kids,
                    started_at=self._server.started_at,
                    seen_at=DatabaseNow(),
                )
            ],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["seen_at"],
        )
        SigningKey.objects.bulk_create(
            [SigningKey(kid=kid, published_at=self._server.started_at) for kid in sorted(kids)], ignore_conflicts=True
        )
        # The server may sign until it renews its row, or until it counts as stopped.
        SigningKey.objects.filter(pk=kids[0]).update(signed_until=DatabaseNow() + SILENT)
        leaked = SigningKey.objects.filter(pk__in=kids).exclude(leaked_at=None).order_by("pk")
        if found := list(leaked.values_list("pk", flat=True)):
            raise LeakedKeys(found)

    def _forget_others(self) -> None:
        """Delete servers that were killed long ago.

        If this server was silent itself, there was an outage, so leave the others the time to tell again.
        """
        if RunningServer.objects.filter(pk=self._server.pk, seen_at__gt=DatabaseNow() - SILENT).exists():
            RunningServer.objects.filter(seen_at__lt=DatabaseNow() - _FORGET_AFTER).delete()

    def _warn_of_others(self) -> None:
        ours = self._server.kids
        leaked = SigningKey.objects.exclude(leaked_at=None).values_list("pk", flat=True)
        others = RunningServer.objects.filter(seen_at__gt=database_now() - SILENT).exclude(pk=self._server.pk)
        for other in others:
            if ours[0] not in other.kids and other.kids[0] not in leaked:
                logger.error("%s does not have the key that signs here: it refuses our tokens", other.name)
            if other.kids[0] not in ours and other.kids[0] not in leaked:
                logger.error("%s signs with a key that SIGNING_KEYS lacks here: we refuse its tokens", other.name)
