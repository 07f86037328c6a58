"""`POST /devices/current/crashreports`: which parts of a report are stored, and up to which length."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, BuddyPhone, InProcess
from tests.sessions.staff import browser_of, new_staff
from users import crash_reports
from users.models import CrashReport, Device, User

pytestmark = pytest.mark.only("buddy")
MISSING = (400, "ParameterMissingRequiredValue")


def report(phone, *, token=None, **fields):
    return phone.call("POST", "/devices/current/crashreports", fields, token=token or phone.access_token)


def traces():
    return list(CrashReport.objects.order_by("created_at").values_list("stack_trace", flat=True))


@pytest.mark.parametrize("level", ["app_token", "access_token"])
def test_a_crash_report_of_either_level_is_kept_with_the_device_and_answered_201_and_true(new_phone, level):
    phone = new_phone().sign_up()
    facts = {"stackTrace": "at Sample.Main()", "message": "null reference", "methodName": "Main", "location": "1,2"}
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        phone.log_in(phone.username)
        reply = report(phone, token=getattr(phone, level), **facts)
    assert reply.status == 201
    assert buddy_success(reply) is True
    kept = CrashReport.objects.get()
    assert kept.device == Device.objects.get()
    assert (kept.stack_trace, kept.message, kept.method_name) == ("at Sample.Main()", "null reference", "Main")
    assert f"{kept.created_at:%Y-%m-%d %H:%M}" == "2026-03-01 12:00"


def test_a_crash_report_needs_a_token_and_a_stack_trace(new_phone):
    phone = new_phone().sign_up()
    assert buddy_error(report(phone, token="none", stackTrace="x")) == (401, "AuthAccessTokenInvalid")
    for fields in ({}, {"stackTrace": ""}, {"stackTrace": None, "message": "x"}):
        assert buddy_error(report(phone, **fields)) == MISSING
    ended = phone.access_token
    phone.log_out()
    assert buddy_error(report(phone, token=ended, stackTrace="x")) == (401, "AuthAccessTokenInvalid")
    assert not CrashReport.objects.exists()


def test_the_texts_of_a_crash_report_are_cut(new_phone):
    phone = new_phone().sign_up()
    buddy_success(report(phone, stackTrace="é" * 20_000, message="m" * 3000, methodName="n" * 600))
    kept = CrashReport.objects.get()
    assert [len(text) for text in (kept.stack_trace, kept.message, kept.method_name)] == [16_384, 2_000, 500]


def test_a_device_keeps_its_newest_crash_reports_only(new_phone, monkeypatch):
    monkeypatch.setattr(crash_reports, "MOST_OF_DEVICE", 3)
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    buddy_success(report(other, stackTrace="another device's"))
    for number in range(5):
        buddy_success(report(phone, stackTrace=f"crash {number}"))
    assert traces() == ["another device's", "crash 2", "crash 3", "crash 4"]


def test_too_many_crash_reports_of_one_device_are_a_429_whichever_token_brings_them(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"crash_report": (2, 60)}
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    for token in (phone.app_token, phone.access_token):
        buddy_success(report(phone, token=token, stackTrace="x"))
    refused = report(phone, stackTrace="x")
    assert buddy_error(refused) == (429, "AuthFailed")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    buddy_success(report(other, stackTrace="x"))
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        buddy_success(report(phone, stackTrace="x"))
    assert CrashReport.objects.count() == 4


def test_staff_who_may_see_devices_read_a_devices_latest_crash_reports_and_can_change_none(db):
    phone = BuddyPhone(InProcess()).sign_up()
    for number in range(21):
        buddy_success(report(phone, stackTrace=f"<b>crash {number:02}</b>", message="of it"))
    device = Device.objects.get()
    page = reverse("admin:users_device_change", args=[device.pk])
    support = browser_of(new_staff("Support"))
    shown = support.get(page).content.decode()
    for number in range(21):
        assert (f"&lt;b&gt;crash {number:02}&lt;/b&gt;" in shown) is (number > 0)
    assert shown.index("crash 20") < shown.index("crash 19")
    assert "<textarea" not in shown
    assert support.post(page, {"crash_reports-TOTAL_FORMS": "0"}).status_code == 403
    assert browser_of(User.objects.create_user("other", PASSWORD, is_staff=True)).get(page).status_code == 403
