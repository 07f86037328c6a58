"""`GET /users`: pages of the users that the caller may see. Tokens lead to the next and the previous page."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import time_machine
from django.core.signing import dumps

from tests.bad_input import buddy_error, buddy_success
from tests.phones import new_name, promote
from users.models import User

pytestmark = pytest.mark.only("buddy")


@pytest.fixture
def staff(new_phone):
    """A logged-in member of staff who may see users, registered before all others."""
    return promote(new_phone().sign_up(), "users.view_user")


def page_of(caller, *, token=None, **query):
    parameters = query | ({"pagingToken": token} if token else {})
    text = "&".join(f"{name}={value}" for name, value in parameters.items())
    return buddy_success(caller.ask("GET", f"/users?{text}"))


def ids_in(page):
    return [user["id"] for user in page["pageResults"]]


def newest_first():
    return list(User.objects.order_by("-created_at").values_list("pk", flat=True))


def make_users(count):
    for _ in range(count):
        User.objects.create_user(new_name())


def test_get_users_answers_page_results_and_the_tokens_of_this_page_the_next_and_the_previous_one(staff):
    make_users(4)
    first = page_of(staff, limit=2)
    assert first.keys() == {"pageResults", "currentToken", "nextToken"}
    second = page_of(staff, token=first["nextToken"])
    assert second.keys() == {"pageResults", "currentToken", "nextToken", "previousToken"}
    last = page_of(staff, token=second["nextToken"])
    assert last.keys() == {"pageResults", "currentToken", "previousToken"}
    assert [ids_in(page) for page in (first, second, last)] == [
        newest_first()[:2],
        newest_first()[2:4],
        newest_first()[4:],
    ]


def test_a_user_sees_themselves_only_and_staff_who_may_view_users_all(new_phone):
    phone = promote(new_phone().sign_up(), "users.change_user", "users.delete_user")
    make_users(2)
    page = page_of(phone)
    assert page["pageResults"] == [phone.me().json["result"]]
    assert page.keys() == {"pageResults", "currentToken"}
    promote(phone, "users.view_user")
    assert ids_in(page_of(phone)) == newest_first()


def test_paging_back_by_tokens_shows_the_same_pages_in_reverse(staff):
    make_users(6)
    forth = [page_of(staff, limit=3)]
    while "nextToken" in forth[-1]:
        forth.append(page_of(staff, token=forth[-1]["nextToken"]))
    back = [forth[-1]]
    while "previousToken" in back[-1]:
        back.append(page_of(staff, token=back[-1]["previousToken"]))
    assert [ids_in(page) for page in back] == [ids_in(page) for page in reversed(forth)]
    assert [len(page["pageResults"]) for page in forth] == [3, 3, 1]
    # Then forward again from a page that was reached backward.
    assert ids_in(page_of(staff, token=back[-1]["nextToken"])) == ids_in(forth[1])


def test_the_current_token_answers_the_same_page_again(staff):
    make_users(5)
    # A token contains the second in which it was made.
    with time_machine.travel(datetime.now(UTC), tick=False):
        page = page_of(staff, limit=2)
        for _ in range(3):
            assert page_of(staff, token=page["currentToken"]) == page
            if "nextToken" in page:
                page = page_of(staff, token=page["nextToken"])
        before = page_of(staff, token=page["previousToken"])
        assert page_of(staff, token=before["currentToken"]) == before


def test_who_registers_between_two_pages_moves_nobody_onto_both_or_neither(staff):
    make_users(4)
    expected = newest_first()
    first = page_of(staff, limit=2)
    make_users(3)
    second = page_of(staff, token=first["nextToken"])
    third = page_of(staff, token=second["nextToken"])
    assert ids_in(first) + ids_in(second) + ids_in(third) == expected
    assert ids_in(page_of(staff, token=second["previousToken"])) == ids_in(first)


def test_users_of_the_same_moment_are_each_on_one_page(staff):
    User.objects.bulk_create(User(username=new_name()) for _ in range(7))
    User.objects.update(created_at="2026-03-01T12:00:00Z")
    page = page_of(staff, limit=3)
    seen = ids_in(page)
    while "nextToken" in page:
        page = page_of(staff, token=page["nextToken"])
        seen += ids_in(page)
    assert len(seen) == 8
    assert set(seen) == set(newest_first())
    previous = page_of(staff, token=page["previousToken"])
    assert ids_in(previous) == seen[3:6]


def test_a_page_has_twenty_users_unless_limit_says_otherwise_and_a_hundred_at_most(staff):
    User.objects.bulk_create(User(username=new_name()) for _ in range(110))
    assert len(ids_in(page_of(staff))) == 20
    assert len(ids_in(page_of(staff, limit=100))) == 100
    for limit in (0, -1, 101, 10**10):
        assert buddy_error(staff.ask("GET", f"/users?limit={limit}")) == (400, "ParameterOutOfRange")
    assert buddy_error(staff.ask("GET", "/users?limit=ten")) == (400, "ParameterIncorrectFormat")


def test_the_limit_goes_on_with_the_token_unless_another_one_comes_with_it(staff):
    make_users(9)
    token = page_of(staff, limit=2)["nextToken"]
    assert len(ids_in(page_of(staff, token=token))) == 2
    assert ids_in(page_of(staff, token=token, limit=5)) == newest_first()[2:7]


def test_deleted_users_are_on_no_page(staff):
    make_users(2)
    gone = User.objects.create_user(new_name(), deleted_at="2026-03-01T12:00:00Z")
    assert gone.pk not in ids_in(page_of(staff))
    assert len(ids_in(page_of(staff))) == 3


def test_names_of_query_parameters_are_case_insensitive_too(staff):
    make_users(2)
    token = page_of(staff, LIMIT=1)["nextToken"]
    assert ids_in(buddy_success(staff.ask("GET", f"/users?pagingtoken={token}"))) == newest_first()[1:2]


def test_a_paging_token_that_is_none_of_ours_is_of_an_incorrect_format(staff):
    make_users(2)
    token = page_of(staff, limit=1)["nextToken"]
    flipped = re.sub(r".$", lambda last: "A" if last[0] != "A" else "B", token)
    foreign = dumps(["first", 1, None], salt="another")
    for bad in ("x", token[:-1], flipped, foreign, token.split(":")[0], "::", "%00", "é"):
        refused = staff.ask("GET", f"/users?pagingToken={quote(bad)}")
        assert buddy_error(refused) == (400, "ParameterIncorrectFormat")
        assert "pagingToken" in refused.json["message"]


def test_a_paging_token_of_staff_shows_nobody_else_to_a_user(staff, new_phone):
    phone = new_phone().sign_up()
    make_users(3)
    for name in ("currentToken", "nextToken"):
        page = page_of(phone, token=page_of(staff, limit=1)[name])
        assert set(ids_in(page)) <= {phone.user_id}
