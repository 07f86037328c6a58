"""The order in which the processes of the suite take its files. The long ones begin first."""

from pathlib import PurePath

from tests.environment import ROOT

# The files with tests that commit which took longer than 25 seconds in a run of the whole suite, the longest first. But
# three files that need the processors stand between two that wait or measure times: two of the latter at the same time
# would disturb each other, and leave the processors idle.
LONG = (
    "tests/browser/test_accessibility.py",
    "tests/live/test_canary.py",
    "tests/schema/test_answers.py",
    "tests/browser/test_admin.py",
    "tests/live/test_races.py",
    "tests/live/test_key_rotation.py",
    "tests/browser/test_figures.py",
    "tests/browser/test_lists.py",
    "tests/gateways/test_gateways.py",
    "tests/live/test_rolling_restart.py",
    "tests/browser/test_apps.py",
    "tests/commands/test_logout.py",
    "tests/browser/test_account.py",
    "tests/live/test_left_runs.py",
    "tests/live/test_events.py",
    "tests/live/test_bulk.py",
    "tests/browser/test_find.py",
    "tests/live/test_slow_clients.py",
    "tests/schema/test_stories.py",
    "tests/browser/test_second_factor.py",
    "tests/browser/test_staff.py",
    "tests/history/test_faults.py",
    "tests/live/test_immediacy.py",
    "tests/browser/test_content_policy.py",
    "tests/browser/test_person.py",
    "tests/services/test_socket_server.py",
    "tests/gateways/test_failures.py",
    "tests/browser/test_docs.py",
    "tests/browser/test_not_me.py",
    "tests/browser/test_javascript_client.py",
)
if _missing := [name for name in LONG if not (ROOT / name).exists()]:
    raise FileNotFoundError(f"tests.order names files that don't exist: {_missing}")
_places: dict[PurePath, int] = {ROOT / name: place for place, name in enumerate(LONG)}


def place_of(file: PurePath) -> int:
    """Return the place of a file with tests: the long ones in their order, and all others behind them."""
    return _places.get(file, len(LONG))
