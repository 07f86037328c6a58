"""`GET /v1/users`: the list for staff, by pages and by dates."""

from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import urlencode

import pytest

from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import new_name, promote
from users.models import User

pytestmark = pytest.mark.only("zap")
MILLISECOND = timedelta(milliseconds=1)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def staff(new_phone):
    """A logged-in member of staff who may see users, registered before all others."""
    phone = promote(new_phone().sign_up(), "users.view_user")
    User.objects.filter(pk=phone.user_id).update(created_at=LONG_AGO)
    return phone


def user_of(moment, **fields):
    """Make a user with that time of creation."""
    user = User.objects.create_user(new_name(), **fields)
    User.objects.filter(pk=user.pk).update(created_at=moment)
    return user


def at(text):
    return datetime.fromisoformat(text)


def listed(caller, **query):
    return zap_success(caller.ask("GET", f"/v1/users?{urlencode(query)}"))


def ids_in(page):
    return [user["id"] for user in page["userData"]]


def test_the_list_answers_user_data_body_limit_page_limit_and_data_count(staff):
    page, own = listed(staff), zap_success(staff.ask("GET", f"/v1/users/{staff.user_id}"))
    assert page == {"userData": [own], "bodyLimit": 10, "pageLimit": 1, "dataCount": 1}


def test_empty_parameters_in_the_query_of_the_documented_request_are_ignored(staff):
    user_of(at("2026-03-01T12:00:00Z"))
    page = zap_success(staff.ask("GET", "/v1/users/?bodyLimit=1&pageLimit=2&startDate&endDate"))
    assert (ids_in(page), page["pageLimit"], page["dataCount"]) == ([staff.user_id], 2, 2)
    page = zap_success(staff.ask("GET", "/v1/users/?bodyLimit=&pageLimit=&startDate=&endDate="))
    assert (page["bodyLimit"], page["pageLimit"], page["dataCount"]) == (10, 1, 2)


def test_the_list_is_for_staff_who_may_view_users_only(new_phone):
    phone = promote(new_phone().sign_up(), "users.change_user", "users.delete_user", "user_sessions.view_session")
    assert zap_error(phone.ask("GET", "/v1/users")) == (403, "permission_denied")
    assert zap_error(phone.call("GET", "/v1/users")) == (401, "token_missing")
    promote(phone, "users.view_user")
    assert ids_in(listed(phone)) == [phone.user_id]


def test_users_are_listed_newest_first(staff):
    days = [3, 1, 4, 2]
    made = {day: user_of(at(f"2026-03-0{day}T12:00:00Z")).pk for day in days}
    assert ids_in(listed(staff)) == [made[day] for day in sorted(days, reverse=True)] + [staff.user_id]


def test_body_limit_is_the_size_of_a_page_and_page_limit_its_number(staff):
    made = [user_of(at(f"2026-03-0{day}T12:00:00Z")).pk for day in (5, 4, 3, 2, 1)]
    pages = [listed(staff, bodyLimit=2, pageLimit=number) for number in (1, 2, 3, 4)]
    assert [ids_in(page) for page in pages] == [made[:2], made[2:4], [made[4], staff.user_id], []]
    assert [(page["bodyLimit"], page["pageLimit"], page["dataCount"]) for page in pages] == [
        (2, number, 6) for number in (1, 2, 3, 4)
    ]


def test_users_of_the_same_moment_are_each_on_one_page(staff):
    made = {user_of(at("2026-03-01T12:00:00Z")).pk for _ in range(7)}
    pages = [ids_in(listed(staff, bodyLimit=3, pageLimit=number)) for number in (1, 2, 3)]
    assert sorted(chain(*pages)) == sorted([*made, staff.user_id])


def test_a_page_has_ten_users_unless_body_limit_says_otherwise_and_a_hundred_at_most(staff):
    User.objects.bulk_create(User(username=new_name()) for _ in range(110))
    assert len(ids_in(listed(staff))) == 10
    assert len(ids_in(listed(staff, bodyLimit=100))) == 100
    assert listed(staff, bodyLimit=100)["dataCount"] == 111


def test_start_date_and_end_date_are_inclusive_to_the_millisecond(staff):
    start, end = at("2026-03-01T12:00:00Z"), at("2026-03-02T12:00:00Z")
    user_of(start - MILLISECOND)
    within = [user_of(end).pk, user_of(start).pk]
    user_of(end + MILLISECOND)
    page = listed(staff, startDate="2026-03-01T12:00:00Z", endDate="2026-03-02T12:00:00Z")
    assert ids_in(page) == within
    assert page["dataCount"] == 2


def test_a_user_is_within_the_very_times_that_the_list_shows_of_them(staff):
    user = user_of(at("2026-03-01T12:00:00.123456Z"))
    shown = listed(staff)["userData"][0]["createdAt"]
    assert shown == "2026-03-01T12:00:00.123Z"
    assert ids_in(listed(staff, startDate=shown)) == [user.pk]
    assert user.pk in ids_in(listed(staff, endDate=shown))


def test_a_date_without_a_time_is_the_whole_day(staff):
    user_of(at("2026-03-01T23:59:59.999999Z"))
    within = [user_of(at("2026-03-03T23:59:59.999999Z")).pk, user_of(at("2026-03-02T00:00:00Z")).pk]
    user_of(at("2026-03-04T00:00:00Z"))
    assert ids_in(listed(staff, startDate="2026-03-02", endDate="2026-03-03")) == within
    assert ids_in(listed(staff, startDate="2026-03-03", endDate="2026-03-03")) == within[:1]


def test_start_date_and_end_date_come_alone_as_well(staff):
    older, newer = user_of(at("2026-03-01T12:00:00Z")).pk, user_of(at("2026-03-02T12:00:00Z")).pk
    assert ids_in(listed(staff, startDate="2026-03-02")) == [newer]
    assert ids_in(listed(staff, endDate="2026-03-01")) == [older, staff.user_id]
    assert listed(staff, startDate="2026-03-03", endDate="2026-03-01")["dataCount"] == 0


@pytest.mark.parametrize("noon", ["2026-03-01T12:00:00.000Z", "2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00"])
def test_a_date_and_time_is_iso_8601_in_utc_where_it_names_no_zone(staff, noon):
    user_of(at("2026-03-01T11:59:59Z"))
    within = user_of(at("2026-03-01T12:00:00Z")).pk
    assert ids_in(listed(staff, startDate=noon)) == [within]


def test_deleted_users_are_left_out_of_the_list_and_of_its_count(staff):
    user_of(at("2026-03-01T12:00:00Z"), deleted_at=at("2026-03-02T12:00:00Z"))
    disabled = user_of(at("2026-03-01T13:00:00Z"), is_active=False)
    page = listed(staff)
    assert ids_in(page) == [disabled.pk, staff.user_id]
    assert page["dataCount"] == 2


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *[("bodyLimit", value) for value in (0, -1, 101, 1.5, "x")],
        *[("pageLimit", value) for value in (0, -1, 1_000_001, "x")],
        *[("startDate", value) for value in ("yesterday", "2026-02-30", "1772366400", "2026-03-01T25:00:00Z")],
        *[("endDate", value) for value in ("tomorrow", "2026-13-01", "2026-03-01T12:00:00+99:00")],
    ],
)
def test_a_query_parameter_that_is_out_of_bounds_or_ill_typed_is_a_400_that_names_it(staff, parameter, value):
    refused = staff.ask("GET", f"/v1/users?{urlencode({parameter: value})}")
    assert zap_fields(refused) == (400, "invalid_request", [parameter])


def test_the_farthest_page_is_empty_and_other_parameters_are_ignored(staff):
    page = listed(staff, pageLimit=1_000_000, bodyLimit=100, page=1, unknown="x")
    assert (page["userData"], page["dataCount"], page["pageLimit"]) == ([], 1, 1_000_000)
