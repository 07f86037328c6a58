"""`GET /v1/notification/security`: the record, for users their own and for staff everybody's."""

import pytest

from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, promote, work_of
from users.models import SecurityEvent, User
from users.record.events import Event
from users.record.writing import record
from zapauth.zap.answers import time_json

pytestmark = pytest.mark.only("zap")
PATH = "/v1/notification/security"


@pytest.fixture
def ann(new_phone):
    return new_phone().sign_up("ann")


@pytest.fixture
def staff(new_phone):
    return promote(new_phone().sign_up("staff"), "users.view_securityevent")


def listed(phone, query=""):
    return zap_success(phone.ask("GET", f"{PATH}{query}"))


def texts_in(page):
    return [entry["description"] for entry in page["activityData"]]


def test_users_see_their_own_entries_newest_first(ann, new_phone):
    other = new_phone().sign_up("ben")
    other.call("POST", "/v1/login", {"identity": "ben", "password": "wrong-1-word"})
    ann.call("POST", "/v1/login", {"identity": "ann", "password": "wrong-1-word"})
    newest = SecurityEvent.objects.filter(user=ann.user_id).latest("pk")
    page = listed(ann)
    assert page["activityData"][0] == {
        "description": "A log-in was refused, from 127.0.0.1: wrong password.",
        "type": "security",
        "topic": "Security Alert",
        "createdAt": time_json(newest.at),
        "updatedAt": time_json(newest.at),
        "id": str(newest.pk),
    }
    own = SecurityEvent.objects.filter(user=ann.user_id)
    assert (page["bodyLimit"], page["pageLimit"], page["dataCount"]) == (10, 1, own.count())
    assert {entry["id"] for entry in page["activityData"]} == {str(entry.pk) for entry in own}


def test_staff_with_the_permission_see_everybodys_and_other_staff_their_own(ann, staff, new_phone):
    record(Event.GROUP_DELETED, group=1, name="Desk")
    assert {"A group was deleted: Desk."} <= set(texts_in(listed(staff)))
    assert any(text.startswith("ann: ") for text in texts_in(listed(staff)))
    other = promote(new_phone().sign_up("other"), "users.view_user")
    assert listed(other)["dataCount"] == SecurityEvent.objects.filter(user=other.user_id).count()


def test_a_user_is_not_told_which_staff_acted(ann, staff):
    User.objects.filter(username="staff").update(is_superuser=True)
    assert staff.ask("PUT", f"/v1/users/{ann.user_id}", {"name": "Ann"}).status == 200
    assert texts_in(listed(ann))[0] == "The name was changed from nothing to Ann by our staff."
    assert texts_in(listed(staff))[0] == "ann: the name was changed from nothing to Ann by staff, from 127.0.0.1."


def test_the_entries_come_in_pages(ann):
    for number in range(4):
        assert ann.ask("PUT", f"/v1/users/{ann.user_id}", {"name": f"Ann {number}"}).status == 200
    pages = [listed(ann, f"?bodyLimit=2&pageLimit={number}") for number in (1, 2)]
    assert [text.rpartition(" to ")[2] for page in pages for text in texts_in(page)] == [
        f"Ann {number}, from 127.0.0.1." for number in (3, 2, 1, 0)
    ]
    assert listed(ann, "?pageLimit=1000000&bodyLimit=")["activityData"] == []


@pytest.mark.parametrize("query", ["bodyLimit=101", "bodyLimit=0", "pageLimit=0", "pageLimit=x"])
def test_a_wrong_page_is_refused(ann, query):
    assert zap_fields(ann.ask("GET", f"{PATH}?{query}")) == (400, "invalid_request", [query.partition("=")[0]])


def test_it_needs_a_token(ann):
    assert zap_error(ann.call("GET", PATH)) == (401, "token_missing")
    ann.log_out()
    assert zap_error(ann.ask("GET", PATH))[0] == 401
    assert ann.call("POST", "/v1/login", {"identity": "ann", "password": PASSWORD}).status == 200


def test_a_page_costs_the_same_number_of_statements_for_many_entries(ann, staff):
    few = work_of(lambda: staff.ask("GET", PATH))
    for _ in range(9):
        record(Event.NAME_CHANGED, user=User.objects.get(pk=ann.user_id))
    assert work_of(lambda: staff.ask("GET", PATH)).statements == few.statements
