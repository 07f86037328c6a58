"""The export of a list: all rows that it matches and no other, without secrets, within limits, and on record."""

import csv
import json
from io import StringIO

import pytest
import time_machine
from django.contrib import admin as django_admin
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions.admin import export
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, Session
from tests.phones import PASSWORD, BuddyPhone, InProcess
from tests.sessions.staff import browser_of, new_staff
from users import admin_lists
from users.models import SecurityEvent, User
from users.record.events import Event
from users.record.writing import record

USERS = "/admin/export/users/user/"
SESSIONS = "/admin/export/user_sessions/session/"


def export_of(browser, url, format="jsonl", **more):
    answer = browser.post(url, {"format": format, **more})
    assert answer.status_code == 200
    assert "attachment" in answer.headers.get("Content-Disposition", ""), answer.content.decode()[:3000]
    return answer, b"".join(answer.streaming_content)


def rows_of(browser, url):
    return [json.loads(line) for line in export_of(browser, url)[1].decode().splitlines()]


def table_of(browser, url):
    return list(csv.DictReader(StringIO(export_of(browser, url, "csv")[1].decode("utf-8-sig"), newline="")))


def entries():
    return SecurityEvent.objects.filter(event=Event.LIST_EXPORTED)


def test_the_list_of_users_has_its_columns_the_ids_and_times_in_utc(operator):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        ann = User.objects.create_user("ann", PASSWORD, email="ann@example.org", name="Änn")
    (row,) = [row for row in rows_of(operator, USERS) if row["id"] == ann.pk]
    assert row["user_name" if "user_name" in row else "username"] == "ann"
    assert row["email"] == "ann@example.org"
    assert row["name"] == "Änn"
    assert row["registered"] == "2026-03-01T12:00:00.000Z"
    (cells,) = [cells for cells in table_of(operator, USERS) if cells["id"] == ann.pk]
    assert list(cells) == list(row)
    assert cells["registered"] == "2026-03-01T12:00:00.000Z"


def test_it_has_the_rows_of_all_pages_that_the_filters_match_and_no_other(operator, monkeypatch):
    monkeypatch.setattr(admin_lists, "EXPORT_BATCH", 7)
    for batch in (make_users(20), make_sessions(250, users=20), make_sessions(30, users=20, ended=True)):
        list(batch)
    platform = Session.objects.exclude(platform="").values_list("platform", flat=True).first()
    matching = Session.objects.filter(platform=platform, ended_at=None)
    rows = rows_of(operator, f"{SESSIONS}?state=live&platform={platform}")
    assert [row["id"] for row in rows] == [str(pk) for pk in matching.order_by("-pk").values_list("pk", flat=True)]
    first = matching.get(pk=rows[0]["id"])
    assert (rows[0]["user"], rows[0]["user_id"]) == (first.user.username, first.user_id)
    assert rows[0]["app_id"] == first.app_id
    assert len(rows_of(operator, SESSIONS)) == Session.objects.count()


def test_the_search_narrows_the_file_too(operator):
    for name in ("ann", "annabel", "ben"):
        User.objects.create_user(name)
    assert {row["id"] for row in rows_of(operator, f"{USERS}?q=ann")} == {
        *User.objects.filter(username__startswith="ann").values_list("pk", flat=True)
    }


def test_what_a_list_shortens_is_whole_in_the_file(operator):
    note = "Word by word, " * 20
    now = timezone.now()
    facts = {"selection": {"everyone": True}, "expected": 1, "cut_off": False, "started_at": now, "as_of": now}
    BulkRun.objects.create(source=BulkRun.Source.ADMIN, note=note, **facts)
    (run,) = rows_of(operator, "/admin/export/user_sessions/bulkrun/")
    assert run["why"] == note
    with time_machine.travel("2026-03-01T12:00:00.250Z", tick=False):
        record(Event.LIST_EXPORTED)
    entry = rows_of(operator, "/admin/export/users/securityevent/")[-1]
    assert entry["time"] == "2026-03-01T12:00:00.250Z"


def test_every_list_can_be_exported_and_has_no_secrets(db):
    boss = browser_of(new_staff(name="boss"))
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    ann = User.objects.get(username="ann")
    session = Session.objects.filter(user=ann).latest("created_at")
    hidden = ["push-address", PASSWORD, ann.password, phone.access_token, phone.app_key, session.refresh_jti]
    hidden = [text for text in hidden if text]
    assert len(hidden) >= 5
    for model in django_admin.site._registry:
        url = reverse("admin:export_list", args=[model._meta.app_label, model._meta.model_name])
        for name in ("csv", "jsonl"):
            text = export_of(boss, url, name)[1].decode()
            assert not [secret for secret in hidden if secret in text], url
        assert boss.get(url).status_code == 200


@pytest.mark.parametrize(("group", "status"), [("Support", 403), ("Operators", 200), (None, 200)])
def test_support_may_not_export_lists_and_sees_no_link(db, group, status):
    browser = browser_of(new_staff(group))
    assert browser.get(USERS).status_code == status
    assert browser.post(USERS, {"format": "csv"}).status_code == status
    assert entries().exists() == (status == 200)
    for page in ("users/user", "user_sessions/session", "users/device"):
        assert (f"/admin/export/{page}/" in browser.get(f"/admin/{page}/").content.decode()) == (status == 200)


def test_a_list_that_staff_may_not_see_can_not_be_exported(operator):
    assert operator.get("/admin/auth/group/").status_code == 403
    assert operator.post("/admin/export/auth/group/", {"format": "csv"}).status_code == 403
    for unknown in ("auth/permission", "users/throttle", "nothing/nothing", "users/user/x"):
        assert operator.post(f"/admin/export/{unknown}/", {"format": "csv"}).status_code == 404
    assert Client().get(USERS).status_code == 302


def test_only_a_click_exports(operator):
    assert operator.get(f"{USERS}?q=ann").status_code == 200
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(USERS, {"format": "csv"}).status_code == 403
    assert "attachment" not in operator.post(USERS, {"format": "xml"}).headers.get("Content-Disposition", "")
    assert not entries().exists()


def test_filters_that_the_list_does_not_have_can_not_be_used(operator):
    assert operator.post(f"{USERS}?password__startswith=argon2", {"format": "csv"}).status_code in (400, 404)
    assert operator.post(f"{SESSIONS}?created=yesterday", {"format": "csv"}).status_code == 404
    assert not entries().exists()


def test_long_after_the_log_in_it_asks_for_the_password(operator, olga):
    Session.objects.filter(user=olga).update(authenticated_at="2020-01-01T00:00:00Z")
    for given in ({}, {"proof": "wrong-horse-1"}):
        page = operator.post(USERS, {"format": "csv", **given})
        assert "Content-Disposition" not in page.headers
        assert 'name="proof"' in page.content.decode()
    assert not entries().exists()
    export_of(operator, USERS, proof=PASSWORD)
    assert entries().count() == 1


def test_who_exported_which_rows_is_on_record_without_what_was_searched_for(operator, olga):
    User.objects.create_user("ann", is_active=False)
    export_of(operator, f"{USERS}?is_active__exact=0&q=ann-is-a-secret", "csv", note="Audit, ticket 4711")
    export_of(operator, f"{USERS}?is_active__exact=0")
    searched, entry = entries().order_by("pk")
    assert (entry.actor, entry.user, entry.ip) == (olga, None, "127.0.0.1")
    assert entry.details["rows"] == 1
    assert entry.details["filters"] == ["is_active__exact=0"]
    assert (searched.details["list"], searched.details["rows"], searched.details["format"]) == ("users", 0, "csv")
    assert searched.details["filters"] == ["is_active__exact=0", "q=ann…"]
    assert searched.details["note"] == "Audit, ticket 4711"
    page = operator.get(reverse("admin:users_securityevent_change", args=[searched.pk])).content.decode()
    assert "A list was exported" in page


def test_a_list_with_too_many_rows_is_refused_as_a_whole(operator, settings):
    settings.EXPORT_MOST_ROWS = 3
    for name in ("ann", "ben", "cleo"):
        User.objects.create_user(name)
    page = operator.post(f"{USERS}?is_active__exact=1", {"format": "csv"})
    assert "Content-Disposition" not in page.headers
    assert "more than 3 rows" in page.content.decode()
    assert f"{reverse('admin:users_user_changelist')}?is_active__exact=1" in page.content.decode()
    assert not entries().exists()
    assert len(rows_of(operator, f"{USERS}?q=ann")) == 1


def test_rows_that_are_added_while_it_is_written_make_it_fail_as_a_whole(operator, settings, monkeypatch):
    settings.EXPORT_MOST_ROWS = User.objects.count()
    written = export.rows_of

    def more(*args):
        yield from written(*args)
        yield User.objects.create_user("late")

    monkeypatch.setattr(export, "rows_of", more)
    page = operator.post(USERS, {"format": "csv"})
    assert "Content-Disposition" not in page.headers
    assert not entries().exists()


def test_a_statement_that_takes_too_long_gives_no_file_instead_of_half_a_file(operator, monkeypatch):
    written = export.rows_of

    def slow(*args):
        yield next(written(*args))
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(export, "rows_of", slow)
    answer = operator.post(USERS, {"format": "csv"})
    assert answer.status_code == 503
    assert "Content-Disposition" not in answer.headers
    assert not entries().exists()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1"])
def test_a_text_that_looks_like_a_formula_stays_text_in_a_spreadsheet(operator, text):
    User.objects.create_user(f"{text}x", name=text, email="=cmd@example.org")
    (row,) = [row for row in table_of(operator, USERS) if row["email"].endswith("cmd@example.org")]
    assert (row["email"], row["name"]) == ("'=cmd@example.org", f"'{text}")
    assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\uff1d"))]


def test_it_is_a_download_that_no_cache_keeps(operator):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        operator = browser_of(User.objects.get(username="olga"))
        answer, content = export_of(operator, USERS, "csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="users-2026-03-01.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in answer.headers["Cache-Control"]
    assert int(answer.headers["Content-Length"]) == len(content)


def test_rows_of_the_same_moment_are_neither_lost_nor_doubled_between_batches(operator, monkeypatch):
    monkeypatch.setattr(admin_lists, "EXPORT_BATCH", 2)
    for number in range(9):
        User.objects.create_user(f"user-{number}")
    found = [row["id"] for row in rows_of(operator, USERS)]
    assert found == [*User.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)]


def test_html_of_a_column_becomes_text(operator, settings, tmp_path):
    settings.GEOIP_PATH = tmp_path
    Session.objects.update(country="DE", country_name="Germany", city="<b>Köln</b>")
    (row,) = rows_of(operator, SESSIONS)
    assert "<b>Köln</b>" in row["location"]
    assert "<span" not in row["location"]
