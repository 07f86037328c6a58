"""Filters select the same sessions as a check of each session by plain Python."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessions.selection.errors import SelectionError
from sessions.selection.selection import Selection
from sessions.selection.values import LONGEST_IDLE
from tests.sessions.population import NOW, TICK, filters, is_meant, make_population, new_session

BOUNDED = hypothesis_settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    # The population is made once for all examples; they only read it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def rows(db):
    return make_population()


def selected(given, *, now=NOW):
    selection = given if isinstance(given, Selection) else Selection(**given)
    return {str(pk) for pk in selection.queryset(now=now).values_list("pk", flat=True)}


def meant(rows, given):
    return {row.id for row in rows if is_meant(row, given)}


@BOUNDED
@given(data=st.data())
def test_filters_select_what_a_reader_would_select_and_another_filter_never_widens(rows, data):
    given = data.draw(filters(rows))
    assert selected(given) == meant(rows, given)
    more = data.draw(filters(rows))
    more.pop("everyone", None)
    if not given.get("everyone"):
        assert selected(more | given) <= selected(given)


@BOUNDED
@given(data=st.data())
def test_stored_filters_select_the_same_and_have_the_same_fingerprint(rows, data):
    given = data.draw(filters(rows))
    selection = Selection(**given)
    kept = Selection.from_json(json.loads(json.dumps(selection.as_json())))
    assert selected(kept) == selected(selection)
    shuffled = {
        name: tuple(random.Random(1).sample(value, len(value))) + value[:1] if isinstance(value, tuple) else value
        for name, value in reversed(given.items())
    }
    same = {kept.fingerprint(), Selection(**shuffled).fingerprint(), selection.fingerprint()}
    assert len(same) == 1
    other = data.draw(filters(rows))
    if meant(rows, given) != meant(rows, other):
        assert Selection(**other).fingerprint() not in same


def test_the_population_has_somebody_for_and_against_each_filter(rows):
    examples = {
        "users": (rows[0].user or rows[1].user,),
        "apps": (rows[0].app,),
        "platforms": ("ios",),
        "device_tokens": tuple(row.device_token for row in rows[:10]),
        "countries": ("DE",),
        "networks": ("192.0.2.0/24",),
        "roles": ("7",),
        "reasons": ("expired",),
        "sessions": tuple(row.id for row in rows[:10]),
        **dict.fromkeys(("created_before", "created_after", "seen_before", "seen_after"), NOW - timedelta(days=20)),
        "idle_for": timedelta(days=5),
        "spare_superusers": True,
    }
    for name, value in examples.items():
        found = {row.id for row in rows if is_meant(row, {name: value}) and row.is_live != (name == "reasons")}
        assert 0 < len(found) < sum(row.is_live for row in rows), name


@pytest.mark.parametrize("given", [{}, {"spare_superusers": True}, {"everyone": False}, {"users": None}])
def test_no_filter_is_an_error_and_never_everybody(given):
    with pytest.raises(SelectionError, match="--everyone"):
        Selection(**given)


@pytest.mark.parametrize("given", [{"users": ()}, {"apps": ("0" * 24,)}, {"created_before": NOW}, {"search": "ann"}])
def test_everyone_goes_with_no_other_filter(given):
    with pytest.raises(SelectionError, match="combined with another filter"):
        Selection(everyone=True, **given)


def test_everyone_is_everyone(rows):
    assert selected({"everyone": True}) == {row.id for row in rows}


@pytest.mark.parametrize(
    "kind", ["users", "apps", "platforms", "device_tokens", "networks", "roles", "reasons", "sessions"]
)
def test_a_filter_without_values_selects_no_session(rows, kind):
    """For example, --user and --from-file without a common user."""
    selection = Selection(**{kind: ()})
    assert selected(selection) == selected(Selection.from_json(selection.as_json())) == set()
    assert selected(Selection(**{kind: (), "created_before": NOW + TICK})) == set()


@pytest.mark.parametrize(
    ("given", "moment", "is_selected"),
    [
        ({"created_before": NOW}, NOW - TICK, True),
        ({"created_before": NOW}, NOW, False),
        ({"created_after": NOW}, NOW, True),
        ({"created_after": NOW}, NOW - TICK, False),
        ({"seen_before": NOW}, NOW - TICK, True),
        ({"seen_before": NOW}, NOW, False),
        ({"seen_after": NOW}, NOW, True),
        ({"seen_after": NOW}, NOW - TICK, False),
        ({"idle_for": timedelta(days=30)}, NOW - timedelta(days=30), True),
        ({"idle_for": timedelta(days=30)}, NOW - timedelta(days=30) + TICK, False),
        ({"idle_for": timedelta(0)}, NOW, True),
    ],
)
def test_bounds_of_time(db, given, moment, is_selected):
    new_session(created_at=moment, last_seen_at=moment)
    assert bool(selected(given)) is is_selected


@pytest.mark.parametrize(
    ("network", "address", "is_selected"),
    [
        ("192.0.2.7/32", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.0/255.255.255.0", "192.0.2.255", True),
        ("192.0.2.0/255.255.255.0", "192.0.3.0", False),
        ("2001:db8::7/128", "2001:db8::7", True),
        ("2001:DB8:0::7", "2001:db8::7", True),
        ("2001:db8::7/128", "2001:db8::8", False),
        # IPv4 and IPv6 never match each other, even if both texts mean the same address.
        ("::/0", "192.0.2.7", False),
        ("0.0.0.0/0", "2001:db8::7", False),
        ("::ffff:192.0.2.0/120", "192.0.2.7", False),
        ("::ffff:192.0.2.0/120", "::ffff:192.0.2.7", True),
        ("192.0.2.0/24", "::ffff:192.0.2.7", False),
        ("0.0.0.0/0", None, False),
    ],
)
def test_networks(db, network, address, is_selected):
    new_session(ip=address)
    assert bool(selected({"networks": (network,)})) is is_selected


@pytest.mark.parametrize(
    "network", ["192.0.2.1/24", "2001:db8::1/64", "192.0.2", "192.0.2.0/33", "example.org", "fe80::1%eth0", "", " "]
)
def test_a_malformed_network_is_an_error(network):
    with pytest.raises(SelectionError, match="No address and no network"):
        Selection(networks=("10.0.0.0/8", network))


@pytest.mark.parametrize("idle_for", [-TICK, LONGEST_IDLE + TICK, timedelta.max])
def test_a_time_that_nobody_can_be_idle_for_is_an_error(idle_for):
    with pytest.raises(SelectionError, match="idle"):
        Selection(idle_for=idle_for)


def test_the_longest_idleness_selects_nobody_and_breaks_nothing(rows):
    assert selected({"idle_for": LONGEST_IDLE}) == set()


def test_one_moment_in_two_zones_is_one_filter():
    there = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert Selection(created_before=there).fingerprint() == Selection(created_before=NOW).fingerprint()


def test_filters_of_different_kinds_with_one_value_are_told_apart():
    value = ("a" * 24,)
    kinds = ["users", "apps", "platforms", "device_tokens", "roles", "reasons", "sessions"]
    selections = [Selection(**{kind: value}) for kind in kinds]
    selections += [Selection(users=value, spare_superusers=True), Selection(users=()), Selection(everyone=True)]
    assert len({selection.fingerprint() for selection in selections}) == len(selections)


def test_a_fingerprint_stays_the_same_through_releases():
    """Operators keep digests in their notes, and interrupted runs are found by their fingerprint."""
    made = Selection(users=("a" * 24,), created_before=datetime(2026, 3, 1, tzinfo=UTC), idle_for=timedelta(days=30))
    assert made.fingerprint() == "5330b3df89cfa0b6"


@pytest.mark.parametrize(
    ("given", "at_once"),
    [
        ({"everyone": True}, True),
        ({"apps": ("a" * 24,)}, True),
        ({"users": ("a" * 24,)}, True),
        ({"users": ("a" * 24,), "spare_superusers": True}, True),
        ({"users": tuple(f"{number:024x}" for number in range(1000))}, True),
        ({"created_before": NOW}, True),
        ({"apps": ("a" * 24,), "created_before": NOW}, True),
        ({"users": ("a" * 24,), "created_before": NOW}, True),
        # A cut-off of an app or a user would refuse more sessions than these filters select.
        ({"users": tuple(f"{number:024x}" for number in range(1001))}, False),
        ({"everyone": True, "spare_superusers": True}, False),
        ({"apps": ("a" * 24,), "spare_superusers": True}, False),
        ({"created_before": NOW, "spare_superusers": True}, False),
        ({"apps": ("a" * 24,), "users": ("a" * 24,)}, False),
        ({"apps": ("a" * 24,), "platforms": ("iOS",)}, False),
        ({"users": ("a" * 24,), "networks": ("10.0.0.0/8",)}, False),
        ({"created_before": NOW, "created_after": NOW}, False),
        ({"everyone": False, "idle_for": timedelta(days=1)}, False),
    ],
)
def test_only_whole_apps_and_users_are_cut_off_at_once(given, at_once):
    assert Selection(**given).cuts_off is at_once
