"""The page that deletes a group: who loses what, and what the record tells."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from tests.sessions.account.people import leave_for_an_hour, text_of
from tests.sessions.staff import browser_of, new_staff
from users.models import SecurityEvent, User
from users.record.events import Event


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def desk(db):
    group = Group.objects.create(name="Desk")
    group.permissions.set(Permission.objects.filter(codename__in=["view_user", "view_device"]))
    return group


def url_of(group):
    return reverse("admin:auth_group_delete", args=[group.pk])


def join(group, name, **facts):
    user = User.objects.create_user(name, **{"is_staff": True} | facts)
    user.groups.add(group)
    return user


def test_the_page_says_who_loses_what(boss, desk):
    join(desk, "sven")
    join(desk, "vera").groups.add(Group.objects.get(name="Support"))  # which has view_user and view_device
    join(desk, "olga").user_permissions.add(Permission.objects.get(codename="view_user"))
    join(desk, "carl", is_superuser=True)
    join(desk, "nina", is_staff=False)
    shown = text_of(boss.get(url_of(desk)))
    assert "Delete the group Desk?" in shown
    assert "5 users are in this group. 2 of them can do less afterwards, from their next request on." in shown
    assert "sven loses: view device, view user." in shown
    assert "olga loses: view device." in shown
    assert "vera" not in shown
    assert "carl" not in shown
    assert "nina" not in shown
    assert "Reason (stays on record)" in shown


def test_only_the_first_eight_are_named(boss, desk):
    for number in range(10):
        join(desk, f"staff{number}")
    shown = text_of(boss.get(url_of(desk)))
    assert "10 users are in this group. 10 of them can do less afterwards" in shown
    assert "staff7 loses" in shown
    assert "staff8" not in shown
    assert "2 more lose permissions." in shown


def test_a_group_that_nobody_is_in_takes_nothing_from_anybody(boss, desk):
    assert "Nobody is in this group, so nobody loses a permission." in text_of(boss.get(url_of(desk)))


def test_nothing_is_deleted_without_a_reason_or_an_earlier_log_ins_proof(boss, desk):
    answer = boss.post(url_of(desk), {"note": " "})
    assert "This field is required" in text_of(answer)
    leave_for_an_hour("boss")
    assert "proof" in boss.post(url_of(desk), {"note": "Ticket 4711"}).context["form"].errors
    assert Group.objects.filter(pk=desk.pk).exists()


def test_a_deleted_group_is_in_the_record_and_in_the_history_of_each_member(boss, desk):
    sven = join(desk, "sven")
    done = boss.post(url_of(desk), {"note": "Ticket 4711"}, follow=True)
    assert "The group Desk is deleted." in text_of(done)
    assert not Group.objects.filter(name="Desk").exists()
    told = {entry.event: entry for entry in SecurityEvent.objects.order_by("-pk")[:2]}
    assert told[Event.GROUP_DELETED].details == {
        "group": desk.pk,
        "name": "Desk",
        "permissions": ["users.view_device", "users.view_user"],
        "members": 1,
        "note": "Ticket 4711",
    }
    assert told[Event.GROUPS_CHANGED].user == sven
    assert told[Event.GROUPS_CHANGED].details["changed"] == {"groups": {"removed": ["Desk"]}}
    assert {entry.actor.username for entry in told.values()} == {"boss"}


def test_only_superusers_delete_a_group_and_none_by_a_tick_in_the_list(boss, desk):
    support = new_staff("Support", name="supporter")
    support.user_permissions.add(Permission.objects.get(codename="delete_group"))
    browser = browser_of(User.objects.get(pk=support.pk))
    assert browser.get(url_of(desk)).status_code == 403
    assert browser.post(url_of(desk), {"note": "x"}).status_code == 403
    ticked = {"action": "delete_selected", "_selected_action": [desk.pk], "post": "yes"}
    boss.post(reverse("admin:auth_group_changelist"), ticked)
    assert Group.objects.filter(pk=desk.pk).exists()


@pytest.mark.parametrize("group_id", ["0", "x", "é", "9" * 30, "%00"])
def test_a_group_that_does_not_exist_is_not_found(boss, group_id):
    for ask in (boss.get, boss.post):
        assert ask(f"/admin/auth/group/{group_id}/delete/").status_code == 404


def test_a_group_has_no_name_with_characters_that_nobody_sees(boss):
    page = boss.post(reverse("admin:auth_group_add"), {"name": "De\x1bsk"})
    assert "Leave out characters that can&#x27;t be seen" in page.content.decode()
    assert not Group.objects.filter(name__startswith="De").exists()


def test_permissions_can_be_taken_from_a_group_whose_name_would_be_refused_now(boss, desk):
    odd = "Desk\u200b"
    Group.objects.filter(pk=desk.pk).update(name=odd)
    url = reverse("admin:auth_group_change", args=[desk.pk])
    assert boss.post(url, {"name": odd, "permissions": []}).status_code == 302
    assert not desk.permissions.exists()
    for name in ("Front\u200b", "a\0b"):
        assert boss.post(url, {"name": name, "permissions": []}).status_code == 200
    desk.refresh_from_db()
    assert desk.name == odd


def test_above_a_refused_form_stands_the_stored_name(boss, desk):
    page = boss.post(reverse("admin:auth_group_change", args=[desk.pk]), {"name": "Support"})  # is taken
    assert "name" in page.context["adminform"].form.errors
    assert page.context["subtitle"] == "Desk"
    assert page.context["original"].name == "Desk"
