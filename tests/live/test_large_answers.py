"""A large file over a real server: complete, and not held in memory. A client that leaves does no harm."""

import hashlib
import json
from contextlib import closing

import pytest

from tests.live.test_doors import Browser
from tests.sessions.staff import new_staff
from users.models import SecurityEvent, User
from users.record.events import Event

USERS = "/admin/export/users/user/"
COUNT = 4_000


@pytest.fixture
def many(server):
    name = "Ä" * 140
    people = (User(username=f"{number:05}{name}", password="!", name=name) for number in range(COUNT))
    User.objects.bulk_create(people, batch_size=500)  # one statement for all could take longer than a statement may


def numbers_in(content: bytes) -> list[str]:
    return [json.loads(line)["username"][:5] for line in content.splitlines()]


def test_a_file_that_is_larger_than_a_piece_arrives_whole_twice(server, many):
    new_staff("Operators", name="olga")
    browser = Browser(server.base_url, "olga")
    with closing(browser.client):
        token = browser.client.cookies["csrftoken"]
        found = []
        for _ in range(2):
            answer = browser.client.post(USERS, data={"csrfmiddlewaretoken": token, "format": "jsonl"})
            assert answer.status_code == 200
            assert int(answer.headers["Content-Length"]) == len(answer.content) > 2**21
            found.append(hashlib.sha256(answer.content).digest())
            assert len({*numbers_in(answer.content)}) == COUNT + 1
    assert found[0] == found[1]


def test_a_client_that_leaves_in_the_middle_does_no_harm(server, many):
    new_staff("Operators", name="olga")
    browser = Browser(server.base_url, "olga")
    form = {"csrfmiddlewaretoken": browser.client.cookies["csrftoken"], "format": "csv"}
    with closing(browser.client):
        with browser.client.stream("POST", USERS, data=form) as answer:
            assert answer.status_code == 200
            next(answer.iter_raw(1000))
        assert browser.client.get("/admin/").status_code in (200, 302)
    assert SecurityEvent.objects.filter(event=Event.LIST_EXPORTED).count() == 1
    assert len(server.workers()) == 2
