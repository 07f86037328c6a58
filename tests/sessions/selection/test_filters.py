"""Tests over all declared filters: each is stored, described, set by options and set by the admin's list."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from uuid import UUID

import pytest

from sessions.ids import first_id
from sessions.management.options import add_filters
from sessions.management.options import selection_of as selection_of_options
from sessions.models import Session
from sessions.selection.describe import in_one_line, in_words
from sessions.selection.errors import SelectionError
from sessions.selection.filter_types import Switch, Values
from sessions.selection.filters import FILTERS
from sessions.selection.listing import PARAMETERS, conditions, selection_of
from sessions.selection.parameters import UNKNOWN_PLATFORM
from sessions.selection.selection import Selection
from tests.sessions.population import NOW, fulfilled_filters, make_population, new_session
from users.models import App, DeviceToken, User

ID = "a" * 24
# A value of each filter, and how it is stored. A new filter needs a line here.
EXAMPLES = {
    "everyone": (True, True),
    "sessions": (("018e0000-0000-7000-8000-000000000000",),) * 2,
    "users": ((ID,),) * 2,
    "apps": ((ID,),) * 2,
    "device_tokens": (("00" * 32,),) * 2,
    "platforms": (("iOS", "Android", "iOS"), ("Android", "iOS")),
    "countries": (("FR", "DE", "FR"), ("DE", "FR")),
    "networks": (("192.0.2.0/24",),) * 2,
    "app_versions": (("3.2",),) * 2,
    "roles": (("7",),) * 2,
    "seen_after": (NOW, "2026-03-01T12:00:00+00:00"),
    "seen_before": (NOW, "2026-03-01T12:00:00+00:00"),
    "created_after": (NOW, "2026-03-01T12:00:00+00:00"),
    "created_before": (NOW, "2026-03-01T12:00:00+00:00"),
    "idle_for": (timedelta(days=30), 2_592_000.0),
    "reasons": (("idle",),) * 2,
    "search": ("ann", "ann"),
    "record": ("2026-03-01 to 2026-03-02", "2026-03-01 to 2026-03-02"),
    "spare_superusers": (True, True),
}
# A value for each parameter of the admin's list that sets a filter.
IN_LIST = {
    "user": ID,
    "app": ID,
    "platform": "iOS",
    "country": "DE",
    "network": "192.0.2.7/24",
    "version": "3.2",
    "seen": "7d",
    "created": "7d-",
    "opened_from": "2026-02-10",
    "opened_to": "2026-02-20T06:00",
    "unseen": "5 days",
    "reason": "idle",
}


def selection_with(name):
    """Return a selection with the filter's example. If the filter alone selects nothing, it also has `everyone`."""
    return Selection(**{name: EXAMPLES[name][0]} | ({"everyone": True} if name == "spare_superusers" else {}))


def test_each_filter_has_an_example_here_and_a_reader_in_the_population():
    assert set(EXAMPLES) == set(FILTERS)
    assert fulfilled_filters() == set(FILTERS) - {"search", "record"}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_stored_in_one_form_and_read_back(name):
    selection, stored = selection_with(name), EXAMPLES[name][1]
    assert json.loads(json.dumps(selection.as_json()))[name] == (list(stored) if isinstance(stored, tuple) else stored)
    again = Selection.from_json(json.loads(json.dumps(selection.as_json())))
    assert again.as_json() == selection.as_json()
    assert again.fingerprint() == selection.fingerprint()


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_a_condition_that_the_database_understands(db, name):
    assert selection_with(name).queryset(now=NOW).count() == 0


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_has_words(db, name):
    words = dict(in_words(selection_with(name)))
    assert words[FILTERS[name].label_of(EXAMPLES[name][0])]
    assert FILTERS[name].label_of(EXAMPLES[name][0]).lower() in in_one_line(selection_with(name))


def test_values_of_one_filter_and_bounds_of_one_time_are_one_line(db):
    several = Selection(platforms=("iOS", ""), created_after=NOW, created_before=NOW + timedelta(days=1))
    assert in_words(several) == [
        ("Platform", "iOS, unknown"),
        ("Opened", "since 2026-03-01 12:00 UTC and before 2026-03-02 12:00 UTC"),
    ]
    assert in_one_line(several).startswith("platform: iOS, unknown; opened since 2026-03-01")


# --- options --------------------------------------------------------------------------------------

OPTIONS = {option.flag: (name, option) for name, declared in FILTERS.items() for option in declared.options}


@pytest.fixture
def texts(db, tmp_path):
    """Return a valid text for each option."""
    user = User.objects.create_user("ann", email="ann@example.org")
    token = DeviceToken.of("push", user=user)
    token.save()
    session = new_session(user=user, app=App.objects.create(name="One"), device_token=token)
    (tmp_path / "names.csv").write_text("ann\n")
    (tmp_path / "tokens.txt").write_text("push\n")
    return {
        "--everyone": "",
        "--session": str(session.pk),
        "--user": "ann",
        "--email": "ann@example.org",
        "--from-file": str(tmp_path / "names.csv"),
        "--app": "One",
        "--device-token": "push",
        "--device-token-file": str(tmp_path / "tokens.txt"),
        "--platform": "iOS",
        "--country": "de",
        "--ip": "192.0.2.0/24",
        "--app-version": "3.2",
        "--role": "7",
        "--created-before": "2026-03-01",
        "--idle-for": "30d",
    }


@pytest.mark.parametrize("flag", OPTIONS)
def test_each_option_sets_its_filter_and_no_other(texts, flag):
    name, option = OPTIONS[flag]
    parser = ArgumentParser()
    add_filters(parser)
    arguments = [flag] if isinstance(option, Switch) else [flag, texts[flag]]
    selection = selection_of_options(vars(parser.parse_args(arguments)))
    assert set(selection.given()) == {name}
    assert f"{flag} {option.metavar}".strip() in parser.format_help()
    assert option.help


@pytest.mark.parametrize("flag", [flag for flag, (_, option) in OPTIONS.items() if isinstance(option, Values)])
def test_each_option_with_several_values_can_be_given_twice(texts, flag):
    parser = ArgumentParser()
    add_filters(parser)
    twice = vars(parser.parse_args([flag, texts[flag], flag, texts[flag]]))
    once = vars(parser.parse_args([flag, texts[flag]]))
    assert selection_of_options(twice) == selection_of_options(once)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("user", "nobody"), ("network", "ten"), ("opened_from", "soon"), ("opened_to", "2026-02-30")),
        *(("opened_to", "2026-02-20Tx"), ("unseen", "long"), ("unseen", "0"), ("unseen", "-3"), ("unseen", "9" * 20)),
    ],
)
def test_what_staff_type_wrongly_is_refused_with_a_reason(db, name, text):
    with pytest.raises(SelectionError, match=r"\w+ \w+"):
        conditions(name, text, now=NOW)
    with pytest.raises(SelectionError):
        selection_of({name: text}, now=NOW)


# --- the admin's list -----------------------------------------------------------------------------


def test_each_parameter_of_the_list_that_sets_a_filter_has_an_example_here():
    declared = [parameter.name for filter_ in FILTERS.values() for parameter in filter_.in_list]
    assert sorted(declared) == sorted(IN_LIST)
    assert set(PARAMETERS) == {*IN_LIST, "state", "ended", "live_on", "run"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *IN_LIST.items(),
        *(("platform", UNKNOWN_PLATFORM), ("live_on", "2026-02-20"), ("user", "user3")),
        *(("opened_to", "2026-02-20"), ("opened_from", "2026-02-10T06:00+02:00"), ("unseen", "5"), ("unseen", "36h")),
    ],
)
def test_each_parameter_means_the_same_for_the_list_and_for_what_is_logged_out_from_it(db, name, text):
    rows = make_population()
    for number, row in enumerate(rows):  # ids that begin with the time, as in production
        Session.objects.filter(pk=row.id).update(id=UUID(int=first_id(row.created_at).int + number))
    if text == ID:
        text = {"user": rows[0].user or rows[1].user, "app": rows[0].app}[name]
    listed = Session.objects.filter(*conditions(name, text, now=NOW))
    selection = selection_of({name: text}, now=NOW)
    if selection is None:
        assert not listed.filter(ended_at=None).exists()
        return
    live = set(listed.filter(ended_at=None).values_list("pk", flat=True))
    assert live == set(selection.queryset(now=NOW).filter(ended_at=None).values_list("pk", flat=True))
    assert 0 < len(live) < len(rows)
