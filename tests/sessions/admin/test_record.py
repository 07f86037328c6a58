"""The record in the admin: the list, the page of an entry, and the history of a user, an app and a group."""

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions.admin.record import SecurityEventAdmin
from sessions.models import Session
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.sessions.staff import browser_of, new_staff, open_form, order_app, user_url
from users import admin_record, keyset_list
from users.models import App, SecurityEvent, User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record

LIST = "/admin/users/securityevent/"


@pytest.fixture
def boss(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", PASSWORD, email="Ann@example.org", phone_number="+4912345")


def listed(browser, **query):
    return [entry.event for entry in browser.get(LIST, query).context["cl"].result_list]


def page_of(browser, entry):
    return browser.get(f"{LIST}{entry.pk}/change/").content.decode()


def history(browser, url):
    return [(line.what, line.who, [str(fact) for fact in line.facts]) for line in browser.get(url).context["lines"]]


def test_the_list_is_filtered_by_user_kind_event_and_actor(supporter, sven, ann):
    record(Event.NAME_CHANGED, user=ann, actor=ann)
    record(Event.EMAIL_CHANGED, user=ann, actor=sven)
    record(Event.PHONE_CHANGED, user=ann, operator="root@host")
    record(Event.BULK_ORDER, actor=sven)
    record(Event.LOGIN_REFUSED, user=sven)
    for name in ("ann", " ANN ", "ann@example.org", "+4912345", ann.pk):
        assert listed(supporter, q=name) == ["phone_changed", "email_changed", "name_changed"], name
    assert listed(supporter, q="nobody") == listed(supporter, q="0" * 24) == []
    assert listed(supporter, kind="orders") == ["bulk_order"]
    assert listed(supporter, event="email_changed") == ["email_changed"]
    assert listed(supporter, by="staff") == listed(supporter, by=sven.pk) == ["bulk_order", "email_changed"]
    assert listed(supporter, by="operator") == ["phone_changed"]
    assert listed(supporter, q="ann", kind="account", by="staff") == ["email_changed"]
    for query in ({"kind": "x"}, {"event": "x"}, {"by": "x"}, {"actor__username": "x"}, {"id__gt": "x"}):
        assert supporter.get(LIST, query).status_code in (200, 302, 400)


def test_a_list_of_any_length_counts_a_part_of_it_and_names_no_number_that_is_not_true(supporter, ann, monkeypatch):
    monkeypatch.setattr(keyset_list, "MOST_COUNTED", 5)
    monkeypatch.setattr(SecurityEventAdmin, "list_per_page", 3)
    for _ in range(5):
        record(Event.NAME_CHANGED, user=ann)
    text = supporter.get(LIST, {"q": "ann"}).content.decode()
    assert "5 entries" in text
    assert "Over" not in text
    record(Event.NAME_CHANGED, user=ann)
    assert "Over 5 entries" in supporter.get(LIST, {"q": "ann"}).content.decode()
    with CaptureQueriesContext(connection) as asked:
        supporter.get(LIST)
    counts = [query["sql"] for query in asked.captured_queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_an_entrys_page_says_everything_in_plain_words_with_links(supporter, sven, ann):
    ZapPhone(InProcess()).log_in("ann")
    session = Session.objects.get(user=ann)
    origin = Origin(ip="192.0.2.1", user_agent="Firefox", request_id="r-7")
    app = App.objects.get(name="ZAP")
    details = {"changed": {"email": {"from": "a***@a.org", "to": "a***@b.org"}}, "note": "Ticket 12"}
    record(Event.EMAIL_CHANGED, user=ann, actor=sven, origin=origin, session_id=session.pk, app=app, **details)
    text = page_of(supporter, SecurityEvent.objects.get(event=Event.EMAIL_CHANGED))
    links = (user_url(ann.pk), user_url(sven.pk), user_url(ann.pk, "timeline"), user_url(sven.pk, "acts"))
    for shown in (
        "The email was changed",
        "a***@a.org",
        "a***@b.org",
        "Ticket 12",
        "192.0.2.1",
        "Firefox",
        "r-7",
        "UTC",
    ):
        assert shown in text, shown
    for link in (*links, f"/admin/user_sessions/session/{session.pk}/change/", f"/admin/users/app/{app.pk}/change/"):
        assert f'"{link}"' in text, link


def test_an_entry_of_nobody_and_of_an_event_that_this_version_does_not_know_has_a_page(supporter):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO users_securityevent (event, details) VALUES ('moon_landed', '{\"changed\": 3}')")
    assert "Moon landed" in page_of(supporter, SecurityEvent.objects.get(event="moon_landed"))
    assert "moon_landed" in listed(supporter)


@pytest.mark.parametrize("url", ["{id}/change/", "{id}/delete/", "add/", ""])
def test_nobody_changes_the_record_superusers_neither(boss, ann, url):
    record(Event.NAME_CHANGED, user=ann)
    entry = SecurityEvent.objects.get(event=Event.NAME_CHANGED)
    form = {"event": "login", "action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    answer = boss.post(LIST + url.format(id=entry.pk), form)
    assert answer.status_code == (403 if url else 200)  # the list has no actions
    assert SecurityEvent.objects.get(pk=entry.pk).event == Event.NAME_CHANGED
    text = boss.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert 'name="_save"' not in text
    assert "/delete/" not in text


def test_the_history_of_a_user_says_who_changed_which_field(boss, ann):
    form = open_form(boss, user_url(ann.pk)) | {"name": "Ann Lee", "phone_number": "+4999999"}
    assert boss.post(user_url(ann.pk), form).status_code == 302
    record(Event.LOGIN_REFUSED, user=ann, reason="disabled")
    found = history(boss, user_url(ann.pk, "history"))
    assert ("The name was changed", "boss", ["name: nothing → Ann Lee"]) in found
    assert ("The phone number was changed", "boss", ["phone number: ***45 → ***99"]) in found
    assert len(found) == 2  # log-ins are on the timeline
    text = boss.get(user_url(ann.pk, "history")).content.decode()
    assert user_url(ann.pk, "timeline") in text
    assert user_url(ann.pk, "history") in boss.get(user_url(ann.pk)).content.decode()


def test_the_history_of_an_app_and_of_a_group(boss):
    ZapPhone(InProcess()).sign_up()
    app, other = App.objects.get(name="ZAP"), App.objects.create(name="Other")
    record(Event.APP_CHANGED, app=other, name="Other")
    url = f"/admin/users/app/{app.pk}"
    order_app(boss, app, "switch_off")
    assert [what for what, _, _ in history(boss, f"{url}/history/")] == [
        "An app was switched off",
        "An app was created",
    ]
    assert f"{url}/history/" in boss.get(f"{url}/change/").content.decode()
    group = Group.objects.get(name="Support")
    permission = Permission.objects.get(codename="change_user")
    url = f"/admin/auth/group/{group.pk}"
    form = open_form(boss, f"{url}/change/")
    form["permissions"] = [*form["permissions"], str(permission.pk)]
    assert boss.post(f"{url}/change/", form).status_code == 302
    (line,) = history(boss, f"{url}/history/")
    assert line[:2] == ("A group was changed", "boss")
    assert "permissions added: users.change_user" in line[2]
    assert history(boss, f"/admin/auth/group/{Group.objects.get(name='Operators').pk}/history/") == []


def test_the_history_comes_in_pages_and_ends_with_what_djangos_log_has(boss, ann, monkeypatch):
    monkeypatch.setattr(admin_record, "PER_PAGE", 2)
    kind, who = ContentType.objects.get_for_model(User), User.objects.get(username="boss")
    for flag, message in ((ADDITION, '[{"added": {}}]'), (CHANGE, '[{"changed": {"fields": ["Email"]}}]')):
        LogEntry.objects.create(
            content_type=kind, object_id=ann.pk, user=who, action_flag=flag, change_message=message, object_repr="ann"
        )
    for number in range(3):
        record(Event.NAME_CHANGED, user=ann, changed={"name": {"from": str(number), "to": str(number + 1)}})
    first = boss.get(user_url(ann.pk, "history"))
    assert [str(line.facts[0]) for line in first.context["lines"]] == ["name: 2 → 3", "name: 1 → 2"]
    assert first.context["earlier"] == []
    last = boss.get(user_url(ann.pk, "history"), {"after": first.context["older"]})
    assert [str(line.facts[0]) for line in last.context["lines"]] == ["name: 0 → 1"]
    assert [(line.what, line.who) for line in last.context["earlier"]] == [
        ("Changed Email.", "boss"),
        ("Added.", "boss"),
    ]
    for wrong in ("x", "2026-01-01_1", "2026-01-01T00:00Z_x"):
        assert boss.get(user_url(ann.pk, "history"), {"after": wrong}).status_code == 404


def test_only_staff_who_may_see_the_record_see_a_history(supporter, ann, boss):
    clerk = User.objects.create_user("clerk", PASSWORD, is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "view_session")))
    browser = browser_of(clerk)
    assert browser.get(user_url(ann.pk, "history")).status_code == 403
    assert user_url(ann.pk, "history") not in browser.get(user_url(ann.pk)).content.decode()
    assert supporter.get(user_url(ann.pk, "history")).status_code == 200
    # Support may not see groups.
    assert supporter.get(f"/admin/auth/group/{Group.objects.first().pk}/history/").status_code == 403


def test_what_has_no_history_offers_none(boss):
    ZapPhone(InProcess()).sign_up("ann")
    url = f"/admin/user_sessions/session/{Session.objects.get(user__username='ann').pk}"
    assert f"{url}/history/" not in boss.get(f"{url}/change/").content.decode()
    assert boss.get(f"{url}/history/").status_code == 404
    assert boss.get(user_url("0" * 24, "history")).status_code == 404
