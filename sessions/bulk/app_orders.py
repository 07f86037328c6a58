"""Orders of staff about an app: switch it off and on, end all of its sessions.

Switching off refuses every token of the app from its commit on. The same commit moves the app's epoch, and a bulk run
ends the sessions. So these sessions are never accepted again, even if the app is switched on before the run is done.
"""

from typing import Any

from django.db.models import F

from sessions.bulk.orders import as_far_as_allowed, begin, start_as_staff
from sessions.bulk.preview import Preview
from sessions.models import BulkRun, EndReason
from sessions.selection.selection import Selection
from users.errors import AppUnchanged, NotYours
from users.models import App, User
from users.origin import Origin
from users.permissions import Act, may_with_app
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction


def sessions_of_app(app: App, act: Act, *, actor: User) -> Selection:
    """Select the sessions that the act ends: a switch all, a cut-off only those that ``actor`` may end."""
    selection = Selection(apps=(app.pk,))
    return selection if act is Act.SWITCH_APP else as_far_as_allowed(selection, actor=actor)


def switch_off(app: App, *, actor: User, origin: Origin, note: str, expected: int) -> BulkRun:
    """Switch the app off, and end all of its sessions.

    Args: expected: how many sessions the preview showed.

    Raises: NotYours, AppUnchanged, SelectionGrown. Then nothing has changed.
    """
    return begin(_switch_off(app.pk, actor=actor, origin=origin, note=note, expected=expected))


@in_transaction
def _switch_off(app_id: str, *, actor: User, origin: Origin, note: str, expected: int) -> BulkRun:
    app = _locked(app_id, Act.SWITCH_APP, actor)
    if not app.is_active:
        raise AppUnchanged
    App.objects.filter(pk=app.pk).update(is_active=False)
    found = Preview(sessions_of_app(app, Act.SWITCH_APP, actor=actor))
    reason = EndReason.APP_SWITCHED_OFF
    run = start_as_staff(found, actor=actor, origin=origin, note=note, expected=expected, reason=reason)
    _record(Event.APP_SWITCHED_OFF, app, actor=actor, origin=origin, note=note, run=str(run.pk))
    return run


@in_transaction
def switch_on(app: App, *, actor: User, origin: Origin, note: str) -> None:
    """Switch the app on. Sessions of before stay refused: their users log in again. Raises: NotYours, AppUnchanged."""
    app = _locked(app.pk, Act.SWITCH_APP, actor)
    if app.is_active:
        raise AppUnchanged
    # Earlier versions, and a restored backup, may have switched it off without a new epoch.
    App.objects.filter(pk=app.pk).update(is_active=True, session_epoch=F("session_epoch") + 1)
    _record(Event.APP_SWITCHED_ON, app, actor=actor, origin=origin, note=note)


def cut_off(app: App, *, actor: User, origin: Origin, note: str, expected: int) -> BulkRun:
    """End all sessions of the app that were opened until now. Raises: NotYours, SelectionGrown."""
    return begin(_cut_off(app.pk, actor=actor, origin=origin, note=note, expected=expected))


@in_transaction
def _cut_off(app_id: str, *, actor: User, origin: Origin, note: str, expected: int) -> BulkRun:
    app = _locked(app_id, Act.CUT_OFF_APP, actor)
    found = Preview(sessions_of_app(app, Act.CUT_OFF_APP, actor=actor))
    run = start_as_staff(found, actor=actor, origin=origin, note=note, expected=expected)
    _record(Event.APP_CUT_OFF, app, actor=actor, origin=origin, note=note, run=str(run.pk))
    return run


def _locked(app_id: str, act: Act, actor: User) -> App:
    app = App.objects.select_for_update(no_key=True).get(pk=app_id)
    if not may_with_app(actor, act, app):
        raise NotYours
    return app


def _record(event: Event, app: App, *, actor: User, origin: Origin, note: str, **details: Any) -> None:
    record(event, app=app, actor=actor, origin=origin, name=app.name, note=note.strip(), **details)
