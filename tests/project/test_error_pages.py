"""The pages of errors: in the admin with its look and a way back, elsewhere plain, and never without an answer."""

import pytest
from django.db import OperationalError
from django.test import Client

from tests.phones import PASSWORD
from tests.sessions.staff import LIST, browser_of, new_staff, user_url
from users.models import User
from zapauth import error_pages


@pytest.fixture
def supporter(db):
    return browser_of(new_staff("Support", name="sven"))


@pytest.fixture
def broken_dashboard(monkeypatch):
    """The dashboard raises the error that the test sets."""

    def breaks(error):
        def dashboard():
            raise error

        monkeypatch.setattr("sessions.admin_site.dashboard", dashboard)

    return breaks


def text_of(answer, status, heading):
    text = answer.content.decode()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f'<h1 id="error-heading">{heading}</h1>' in text
    assert "Content-Security-Policy" in answer.headers
    assert "style=" not in text
    return text


def test_a_page_that_is_not_there_has_the_menu_of_the_admin_and_a_way_back(supporter):
    text = text_of(supporter.get("/admin/nothing/"), 404, "There is no such page")
    for shown in ("Explain a token", 'href="/admin/"', "To the dashboard", "sven"):
        assert shown in text, shown


def test_what_staff_may_not_do_is_answered_in_the_admins_look(supporter):
    ann = User.objects.create_user("ann", PASSWORD)
    text = text_of(supporter.post(user_url(ann.pk, "disable")), 403, "You may not do this")
    assert "Explain a token" in text


def test_a_request_that_makes_no_sense_is_answered_in_the_admins_look(supporter):
    answer = supporter.post(LIST, {"action": "log_out", "_selected_action": ["x"]})
    text = text_of(answer, 400, "The server does not understand this request")
    assert "Explain a token" in text


def test_a_form_without_its_token_is_too_old(db):
    boss = Client(enforce_csrf_checks=True)
    text = text_of(boss.post("/admin/login/", {"username": "x", "password": "x"}), 403, "The form is too old")
    assert "To the dashboard" in text
    assert "Explain a token" not in text  # nobody is logged in


def test_a_fault_of_ours_is_told(supporter, broken_dashboard):
    broken_dashboard(RuntimeError("broken"))
    supporter.raise_request_exception = False
    text = text_of(supporter.get("/admin/"), 500, "Something went wrong")
    assert "look at the user" in text.lower()


def test_a_database_that_cannot_answer_is_told_so(supporter, broken_dashboard):
    broken_dashboard(OperationalError("gone"))
    answer = supporter.get("/admin/")
    text_of(answer, 503, "The database is not available now")
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize("status", [500, 503])
def test_faults_need_no_database(rf, status):
    # Without the fixture `db` a query would fail.
    assert error_pages.error_page(rf.get("/admin/"), status).status_code == status


def test_a_page_of_an_error_survives_a_second_one(supporter, monkeypatch):
    def fails(request):
        raise OperationalError("gone")

    monkeypatch.setattr("django.contrib.admin.site.each_context", fails)
    text = text_of(supporter.get("/admin/nothing/"), 404, "There is no such page")
    assert "Explain a token" not in text


@pytest.mark.parametrize("path", ["/static/nothing.js", "/static/"])
def test_a_page_outside_of_the_admin_is_plain_and_leads_to_the_start_page(db, path):
    text = text_of(Client().get(path), 404, "There is no such page")
    assert 'href="/">To the start page' in text
    assert "/admin/" not in text


def test_the_way_back_is_a_page_of_this_site(supporter):
    def link_after(referer):
        text = supporter.get("/admin/nothing/", headers={"Referer": referer}).content.decode()
        return text.partition('<a class="za-button" href="')[2].partition('"')[0]

    assert link_after("http://testserver/admin/users/user/?q=ann&p=2") == "/admin/users/user/?q=ann&amp;p=2"
    for foreign in (
        *("http://evil.example/admin/", "http://testserver.evil.example/admin/", "//evil.example/admin/"),
        *("javascript:alert(1)", "http://testserver/v1/users", "http://testserver//evil.example/", "http://[", ""),
        "http://testserver/admin/nothing/",
    ):
        assert link_after(foreign) == "", foreign


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/admins", "/accounting"])
def test_other_paths_keep_the_json_of_their_dialect(db, path):
    answer = Client().get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "application/json")
