"""Keyset paging: no row is lost or shown twice, in any order, forwards and backwards, while others add rows."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from users.keyset import NoSuchPlace, Order, in_batches
from users.models import RefusedLogin, User

START = datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = [["-created_at", "-pk"], ["created_at", "-pk"], ["-pk"], ["pk"], ["-is_active", "created_at", "username"]]


@pytest.fixture
def users(db):
    """Make 23 users; several have the same time."""
    for number in range(23):
        user = User.objects.create_user(f"user{number:02}", is_active=number % 3 > 0)
        User.objects.filter(pk=user.pk).update(created_at=START + timedelta(hours=number // 4))


def pages(order, size, between=lambda: None):
    """Walk through all users by pages, and call ``between`` after each."""
    place, seen = None, []
    while True:
        rows = User.objects.all() if place is None else User.objects.filter(order.after(place))
        places = list(order.keys(rows)[:size])
        if not places:
            return seen
        seen += places
        place = order.read(order.write(places[-1]))  # by way of a URL
        between()


@pytest.mark.parametrize("ordering", ORDERS)
@pytest.mark.parametrize("size", [1, 5, 23, 50])
def test_the_pages_have_each_row_once_and_in_order(users, ordering, size):
    order = Order.of(User, ordering)
    assert pages(order, size) == list(order.keys(User.objects.all()))


@pytest.mark.parametrize("ordering", ORDERS)
def test_rows_that_are_added_meanwhile_neither_hide_nor_repeat_another_row(users, ordering):
    order, number = Order.of(User, ordering), iter(range(100))
    before = set(User.objects.values_list("pk", flat=True))

    def add():
        for at in (START - timedelta(days=1), START + timedelta(hours=3), START + timedelta(days=9)):
            new = User.objects.create_user(f"new{next(number)}")
            User.objects.filter(pk=new.pk).update(created_at=at)

    seen = [place[-1] if order.names[-1] == "pk" else place for place in pages(order, 6, add)]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.mark.parametrize("ordering", ORDERS)
def test_backwards_from_a_place_come_the_rows_before_it(users, ordering):
    order = Order.of(User, ordering)
    everything = list(order.keys(User.objects.all()))
    back = order.reversed()
    found = list(back.keys(User.objects.filter(back.after(everything[10])))[:6])
    assert found[::-1] == everything[4:10]


@pytest.mark.parametrize("ordering", ORDERS)
def test_the_rows_up_to_a_place_and_those_after_it_are_all_rows(users, ordering):
    order = Order.of(User, ordering)
    everything = list(order.keys(User.objects.all()))
    assert list(order.keys(User.objects.filter(order.up_to(everything[7])))) == everything[:8]
    assert list(order.keys(User.objects.filter(order.after(everything[7])))) == everything[8:]


def test_an_order_without_the_key_gets_it_and_one_with_it_ends_there():
    assert Order.of(RefusedLogin, ["-hour", "reason"]).names == ["hour", "reason", "pk"]
    assert Order.of(User, ["id", "created_at"]).names == ["id"]


def test_batches_have_all_rows_in_order(users, django_assert_num_queries):
    order = Order.of(User, ["-created_at"])
    with django_assert_num_queries(5):
        found = [user.pk for user in in_batches(User.objects.all(), order, size=5)]
    assert found == [place[-1] for place in order.keys(User.objects.all())]
    assert list(in_batches(User.objects.none(), order, size=5)) == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "é", "bnVsbA", "W10", "eyJhIjogMX0", "9" * 300),
        *(
            urlsafe_b64encode(json.encode()).decode()
            for json in (
                '["2026-03-01"]',
                '["soon", "a"]',
                '["2026-03-01", 7]',
                '["2026-03-01T00:00+00:00", "a\\u0000"]',
                '["2026-03-01T00:00+00:00", "\\ud800"]',
                '["0001-01-01T00:00+14:00", "a"]',
                "[" * 5000,
            )
        ),
    ],
)
def test_a_text_that_is_no_place_is_refused(text):
    with pytest.raises(NoSuchPlace):
        Order.of(User, ["-created_at", "-pk"]).read(text)
