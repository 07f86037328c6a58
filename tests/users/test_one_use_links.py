"""Links in mails that work once."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction

from sessions.links import link_url
from tests.threads import other_threads
from users.clock import database_now
from users.errors import LinkInvalid
from users.models import OneUseLink, User
from users.one_use_links import LIFETIME, Purpose, find_link, forget_all_links, forget_links, make_link, use_link

ADDRESS = "ann@example.org"


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", "correct-horse-1", email=ADDRESS)


def link_to(user, purpose=Purpose.NOT_ME, **facts):
    return make_link(user, purpose=purpose, address=ADDRESS, **facts)


def test_a_link_is_found_with_what_the_mail_told_and_looking_changes_nothing(ann):
    session = uuid4()
    token = link_to(ann, session_id=session, about=["EMAIL"])
    before = OneUseLink.objects.values().get()
    for _ in range(2):
        link = find_link(token, Purpose.NOT_ME)
        assert (link.user, link.session_id, link.about, link.address) == (ann, session, ["EMAIL"], ADDRESS)
    assert OneUseLink.objects.values().get() == before


def test_only_the_digest_is_stored(ann):
    token = link_to(ann)
    stored = OneUseLink.objects.values().get()
    assert len(token) == 43
    assert token not in repr(stored)
    assert len(bytes(stored["digest"])) == 32
    assert token not in f"{OneUseLink.objects.get()!r}"


def test_a_link_works_until_the_last_second_of_its_seventh_day(ann):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        token = link_to(ann)
        clock.shift(LIFETIME - timedelta(seconds=1))
        link = find_link(token, Purpose.NOT_ME)
        assert link
        clock.shift(2)
        assert find_link(token, Purpose.NOT_ME) is None
        with pytest.raises(LinkInvalid):  # it has expired between the look and the use
            use_link(link)


def test_a_used_link_is_gone(ann):
    token, other = link_to(ann), link_to(ann)
    link = find_link(token, Purpose.NOT_ME)
    use_link(link)
    with pytest.raises(LinkInvalid):
        use_link(link)
    assert find_link(token, Purpose.NOT_ME) is None
    assert find_link(other, Purpose.NOT_ME)


def test_a_link_does_not_serve_another_purpose(ann):
    assert find_link(link_to(ann), Purpose.INVITATION) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 42 + "\0", "é" * 43, "x" * 43 + "\n", "../" * 20])
def test_a_text_that_is_no_link_is_not_found(ann, token):
    link_to(ann)
    assert find_link(token, Purpose.NOT_ME) is None


def test_the_link_of_a_deleted_user_is_not_found(ann):
    token = link_to(ann)
    User.objects.update(deleted_at=database_now())
    assert find_link(token, Purpose.NOT_ME) is None


def test_links_are_forgotten_by_user_purpose_and_address(ann):
    ben = User.objects.create_user("ben", "correct-horse-1")
    invitation, of_ben = link_to(ann, Purpose.INVITATION), link_to(ben)
    elsewhere = make_link(ann, purpose=Purpose.NOT_ME, address="ann@example.com")
    link_to(ann)
    forget_links(ann.pk, purpose=Purpose.NOT_ME, address=ADDRESS.upper())
    assert find_link(invitation, Purpose.INVITATION)
    assert find_link(elsewhere, Purpose.NOT_ME)
    forget_links(ann.pk)
    assert [link.user for link in OneUseLink.objects.all()] == [ben]
    assert find_link(of_ben, Purpose.NOT_ME)
    forget_all_links()
    assert not OneUseLink.objects.exists()


def test_a_link_that_is_used_twice_at_once_works_once(transactional_db):
    ann = User.objects.create_user("ann", "correct-horse-1")
    link = find_link(link_to(ann), Purpose.NOT_ME)

    @transaction.atomic
    def use():
        use_link(link)

    with other_threads(8) as start:
        uses = [start(use) for _ in range(8)]
    assert sorted(type(each.exception()).__name__ for each in uses) == ["LinkInvalid"] * 7 + ["NoneType"]


def test_an_absolute_url_begins_with_the_setting_and_without_it_there_is_none(settings):
    settings.PUBLIC_URL = "https://auth.example.org"
    assert link_url("admin:user_sessions_session_change", "x") == (
        "https://auth.example.org/admin/user_sessions/session/x/change/"
    )
    settings.PUBLIC_URL = ""
    assert link_url("admin:user_sessions_session_change", "x") is None
