"""The seeded faults: each changes what it names, and otherwise the product works with each of them."""

import pytest
from django.db import connection

from tests.history.faults import parts
from tests.history.faults.catalogue import FAULTS
from tests.history.faults.editing import CannotEdit, Edit
from tests.history.faults.live import find_soon, town_with
from tests.history.faults.run import Seen, first_of
from tests.history.made import SECOND, history, login, logout, read
from tests.history.violation import Violation


@pytest.fixture
def seed(request):
    """Seed a fault for the test."""

    def seed(name):
        request.addfinalizer(parts.forget)
        request.addfinalizer(FAULTS[name].seed())
        # Statements are prepared once for each connection.
        vars(connection.connection).pop("statements", None)
        request.addfinalizer(lambda: vars(connection.connection).pop("statements", None))

    return seed


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_what_it_names(name):
    fault = FAULTS[name]
    before = [edit.text for edit in fault.edits]
    undo = fault.seed()
    undo()
    assert [edit.text for edit in fault.edits] == before
    assert all(edit.edited != edit.text for edit in fault.edits)


def test_an_edit_that_no_longer_fits_is_refused():
    with pytest.raises(CannotEdit, match="0 times"):
        Edit("sessions.logout:log_out", "no such text", "").apply()


def test_the_first_proof_comes_from_a_call_or_from_a_look_at_the_database():
    in_database, at_end = Violation(3, "seen", ()), Violation(2, "at the end", ())
    good, bad = [login(10, 11), logout(12, 13)], [read(14, 15)]
    assert first_of(history(*good, *bad), [at_end], Seen(in_database, at=19 * SECOND))[1] == 5
    assert first_of(history(*good, *bad), [at_end], Seen(in_database, at=14 * SECOND)) == (in_database, 4)
    assert first_of(history(*good), [at_end], Seen(in_database, at=19 * SECOND)) == (in_database, 9)
    assert first_of(history(*good), [at_end], None) == (at_end, None)
    assert first_of(history(*good), [], None) == (None, None)


@pytest.mark.only("zap")
@pytest.mark.parametrize("name", FAULTS)
def test_a_user_logs_in_and_out_with_each_fault(new_phone, seed, settings, name):
    settings.ROTATE_REFRESH_TOKENS = True
    seed(name)
    phone = new_phone(device_token="phone").sign_up()
    assert phone.me().status == 200
    answer = phone.refresh()
    assert answer.status == 200
    assert phone.me(answer.json["data"]["token"]).status == 200
    assert phone.log_out().status == 200


RULES = {"verdict-cached": 1, "all-ends-one": 1, "two-logouts-answered": 3}


@pytest.mark.parametrize("name", RULES)
def test_the_checker_finds_a_fault_of_a_real_server(transactional_db, tmp_path, name):
    with town_with(name, tmp_path) as town:
        found = find_soon(town, seconds=40)
    assert {violation.rule for violation in found} == {RULES[name]}
