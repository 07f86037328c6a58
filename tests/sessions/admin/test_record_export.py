"""The export of a user's record: complete, without secrets, and safe to open in a spreadsheet."""

import csv
import json
from io import StringIO

import pytest
from django.test import Client

from sessions.inspect import timeline
from sessions.inspect.record_export import COLUMNS
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone
from tests.sessions.staff import user_url
from users.clock import database_now
from users.models import CrashReport, Device, SecurityEvent, User
from users.one_use_links import Purpose, make_link
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record
from users.table_files import safe_cell

OFFICE = Origin(ip="198.51.100.7", user_agent="Staff's Firefox")


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", PASSWORD)


def export(browser, user, format):
    answer = browser.post(user_url(user.pk, "export"), {"format": format})
    assert answer.status_code == 200
    return answer, b"".join(answer.streaming_content)


def objects(browser, user):
    return [json.loads(line) for line in export(browser, user, "jsonl")[1].decode().splitlines()]


def table(browser, user):
    content = export(browser, user, "csv")[1].decode("utf-8-sig")
    return list(csv.DictReader(StringIO(content, newline="")))


def test_it_has_every_entry_and_every_session_with_times_app_and_place(supporter, sven):
    phone = ZapPhone(InProcess(), device_token="push-address").sign_up("ann")
    ann = User.objects.get(username="ann")
    session = Session.objects.get(user=ann)
    phone.log_out()
    changed = {"email": {"from": "a***@example.org", "to": "a***@example.com"}}
    record(Event.EMAIL_CHANGED, user=ann, actor=sven, origin=OFFICE, changed=changed)
    User.objects.create_user("ben")
    record(Event.NAME_CHANGED, user=User.objects.get(username="ben"))
    rows = objects(supporter, ann)
    assert [(row["event"], row["by"]) for row in rows[:4]] == [
        ("record_exported", "staff"),
        ("email_changed", "staff"),
        ("session_ended", "user"),
        ("login", "user"),
    ]
    assert [row["event"] for row in rows].count("user_created") == 1
    assert "name_changed" not in {row["event"] for row in rows}
    (opened,) = [row for row in rows if row["event"] == "session_opened"]
    assert (opened["session"], opened["app"], opened["ip"]) == (str(session.pk), "ZAP", "127.0.0.1")
    assert set(opened["details"]) == {"lastSeenAt", "expiresAt"}
    assert rows[1]["details"] == {"changed": changed}
    assert all(list(row) == list(COLUMNS) and row["at"].endswith("Z") for row in rows)
    again = table(supporter, ann)
    assert [row["event"] for row in again] == ["record_exported", *(row["event"] for row in rows)]
    (email,) = [row for row in again if row["event"] == "email_changed"]
    assert email["details"] == "email: a***@example.org → a***@example.com"
    assert list(again[0]) == list(COLUMNS)


def test_it_has_no_secrets_and_neither_names_nor_addresses_nor_notes_of_staff(supporter, sven):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    ann = User.objects.get(username="ann")
    record(Event.EMAIL_CHANGED, user=ann, actor=sven, origin=OFFICE, note="He shouted", changed={})
    record(Event.USER_DISABLED, user=ann, operator="root@host", note="Fraud?")
    end_sessions(Session.objects.filter(user=ann), actor=sven, reason=EndReason.STAFF, origin=OFFICE)
    secrets = [PASSWORD, "push-address", phone.access_token, phone.app_key, User.objects.get(pk=ann.pk).password]
    for name in ("csv", "jsonl"):
        text = export(supporter, ann, name)[1].decode()
        for hidden in (*secrets, "sven", "root@host", OFFICE.ip, "Firefox", "He shouted", "Fraud"):
            assert hidden not in text, hidden
    assert {row["by"] for row in objects(supporter, ann)} == {"staff", "operator", "user"}


def test_the_export_itself_is_on_record(supporter, sven, ann):
    export(supporter, ann, "csv")
    entry = SecurityEvent.objects.get(event=Event.RECORD_EXPORTED)
    assert (entry.user, entry.actor, entry.ip, entry.details) == (ann, sven, "127.0.0.1", {"format": "csv"})


def test_only_a_click_exports(supporter, ann):
    assert supporter.get(user_url(ann.pk, "export")).status_code == 405
    assert supporter.post(user_url(ann.pk, "export"), {"format": "xml"}).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = supporter.cookies
    assert strict.post(user_url(ann.pk, "export"), {"format": "csv"}).status_code == 403
    assert not SecurityEvent.objects.filter(event=Event.RECORD_EXPORTED).exists()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_a_text_that_looks_like_a_formula_stays_text_in_a_spreadsheet(supporter, ann, text):
    assert safe_cell(text) == f"'{text}"
    ZapPhone(InProcess()).log_in("ann")
    Session.objects.filter(user=ann).update(user_agent=text, platform=text)
    record(Event.PROFILE_CHANGED, user=ann, **{text: "x"})
    for row in table(supporter, ann):
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")), row


def test_it_is_a_download_that_no_cache_keeps(supporter, ann):
    answer, content = export(supporter, ann, "jsonl")
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="record-{ann.pk}-')
    assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    assert "no-store" in answer.headers["Cache-Control"]
    assert content.endswith(b"\n")


def test_a_long_record_is_read_in_batches(supporter, ann, monkeypatch):
    for number in range(7):
        record(Event.NAME_CHANGED, user=ann, changed={"name": {"from": str(number), "to": str(number + 1)}})
    monkeypatch.setattr(timeline, "BATCH", 2)
    rows = [row for row in objects(supporter, ann) if row["event"] == "name_changed"]
    assert [row["details"]["changed"]["name"]["from"] for row in rows] == list("6543210")


def test_an_umlaut_survives_in_both_formats(supporter, ann):
    record(Event.NAME_CHANGED, user=ann, changed={"name": {"from": "Ann", "to": "Änn, “the; first”\nof 1"}})
    (row,) = [row for row in objects(supporter, ann) if row["event"] == "name_changed"]
    assert row["details"]["changed"]["name"]["to"] == "Änn, “the; first”\nof 1"
    (cells,) = [row for row in table(supporter, ann) if row["event"] == "name_changed"]
    assert cells["details"] == "name: Ann → Änn, “the; first”\nof 1"


def test_everything_about_a_user_is_one_json_document_without_secrets(supporter, sven):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    ann = User.objects.get(username="ann")
    session = Session.objects.filter(user=ann).latest("created_at")
    CrashReport.objects.create(
        device=session.device, message="It broke", stack_trace="at line 1", created_at=database_now()
    )
    User.objects.filter(pk=ann.pk).update(email="ann@example.org", name="Änn", second_factor_since=None)
    token = make_link(ann, purpose=Purpose.INVITATION, address="ann@example.org")
    record(Event.EMAIL_CHANGED, user=ann, actor=sven, origin=OFFICE, note="He shouted", changed={})
    answer, content = export(supporter, ann, "json")
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(content)
    assert list(found) == [
        *("account", "devices", "deviceTokens", "crashReports", "links", "sessions", "record"),
    ]
    stored = {field.attname for field in User._meta.concrete_fields}
    assert stored - found["account"].keys() == {"password", "session_epoch", "sessions_valid_after"}
    assert (found["account"]["name"], found["account"]["has_password"]) == ("Änn", True)
    assert [device["id"] for device in found["devices"]] == [session.device_id]
    assert [each["device_id"] for each in found["deviceTokens"]] == [session.device_id]
    assert [report["message"] for report in found["crashReports"]] == ["It broke"]
    assert [(link["purpose"], link["address"]) for link in found["links"]] == [("invitation", "ann@example.org")]
    assert {each["id"] for each in found["sessions"]} == {
        str(pk) for pk in Session.objects.filter(user=ann).values_list("pk", flat=True)
    }
    assert "email_changed" in {row["event"] for row in found["record"]}
    secrets = [PASSWORD, "push-address", phone.access_token, phone.app_key, User.objects.get(pk=ann.pk).password, token]
    for hidden in (*secrets, "sven", OFFICE.ip, "He shouted"):
        assert hidden not in content.decode(), hidden


def test_the_crash_reports_of_a_device_that_others_use_are_left_out(supporter):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    session = Session.objects.filter(user__username="ann").latest("created_at")
    CrashReport.objects.create(device=session.device, message="Of ben", stack_trace="x", created_at=database_now())
    phone.sign_up("ben")
    assert Session.objects.filter(user__username="ben", device=session.device).exists()
    found = json.loads(export(supporter, User.objects.get(username="ann"), "json")[1])
    assert found["devices"]
    assert found["crashReports"] == []


def test_where_a_device_is_that_others_use_is_left_out(supporter):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    ann = User.objects.get(username="ann")
    told = {"latitude": 48.85, "longitude": 2.35, "tag": "Of ben", "connection_type": "wifi"}
    Device.objects.filter(pk=Session.objects.filter(user=ann).latest("created_at").device_id).update(**told)
    (alone,) = json.loads(export(supporter, ann, "json")[1])["devices"]
    assert {name: alone[name] for name in told} == told
    phone.sign_up("ben")
    (shared,) = json.loads(export(supporter, ann, "json")[1])["devices"]
    assert shared.keys() == alone.keys()
    assert {name: shared[name] for name in (*told, "updated_at")} == dict.fromkeys((*told, "updated_at"))
    assert (shared["id"], shared["model"], shared["created_at"]) == (alone["id"], alone["model"], alone["created_at"])


def test_a_user_about_whom_little_is_stored_has_an_empty_document_that_is_valid(supporter, ann):
    found = json.loads(export(supporter, ann, "json")[1])
    assert found["devices"] == found["sessions"] == found["links"] == []
    assert [row["event"] for row in found["record"]] == ["record_exported"]
