"""Jobs that wait in the queue: what is stored, and in which order they are taken."""

import json
import logging
import zlib
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.urls import reverse

from sessions.jobs import deferring, table
from sessions.jobs.call import Call
from sessions.jobs.deferring import JOBS, Queue, after_commit
from sessions.jobs.doing import MOST_UNREADABLE, do, open_job
from sessions.jobs.modules import WITH_JOBS
from sessions.jobs.table import Taken
from sessions.mail_sending import send_code, send_news
from sessions.models import Session
from sessions.passwords import ask_for_reset_code
from tests.environment import ROOT
from tests.phones import PASSWORD, InProcess, ZapPhone, work_of
from tests.sessions.staff import browser_of, new_staff
from users.clock import database_now
from users.models import OneTimeCode, OneUseLink, User
from users.origin import Origin
from users.request_id import request_id
from users.reset_codes import LIFETIME
from users.sealing import Purpose, seal_bytes

pytestmark = pytest.mark.usefixtures("queue")
HERE = Origin(ip="192.0.2.17", user_agent="Nokia 3310", request_id="request-1")
MAIL = ("ann@example.org", "A subject", "The code 3f9a 1c07 b2e4", "<b>3f9a 1c07 b2e4</b>")


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", "correct-horse-1", email="ann@example.org")


def rows(columns="task_name"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM procrastinate_jobs ORDER BY id")  # noqa: S608
        return [row[0] if len(row) == 1 else row for row in cursor.fetchall()]


def take(queue=Queue.MAIL, worker_id=None):
    return table.take(queue.value, worker_id=worker_id or table.register())


def do_next(queue):
    return do(open_job(take(queue)))


def test_the_librarys_own_worker_is_not_started_by_mistake():
    """It would mark all waiting mails as failed."""
    for arguments in ([], ["worker"], ["worker", "--concurrency", "4"]):
        with pytest.raises(CommandError, match="the servers do the jobs"):
            call_command("procrastinate", *arguments)


def test_a_job_is_rolled_back_with_its_act(transactional_db):
    with transaction.atomic():
        after_commit(send_news, *MAIL)
        assert rows() == ["send_news"]
        transaction.set_rollback(True)
    assert rows() == []
    after_commit(send_news, *MAIL)
    assert rows() == ["send_news"]


def test_a_log_in_whose_mail_can_not_be_stored_opens_no_session(transactional_db, settings, monkeypatch):
    phone = ZapPhone(InProcess()).sign_up()
    User.objects.update(email="ann@example.org")
    settings.NEW_DEVICE_MAIL = True
    before = Session.objects.count()

    def fail(**_):
        raise OperationalError("on purpose")

    monkeypatch.setattr(deferring, "store", fail)
    answer = log_in_on_a_new_device(phone)
    assert (answer.status, Session.objects.count()) == (503, before)


def log_in_on_a_new_device(phone):
    headers = {"User-Agent": "Nokia 3310", "Content-Type": "application/json"}
    content = json.dumps({"identity": phone.username, "password": PASSWORD})
    return phone.send("POST", "/v1/login", headers=headers, content=content)


def test_a_log_in_on_a_new_device_and_its_mail_commit_together(transactional_db, settings):
    phone = ZapPhone(InProcess()).sign_up()
    User.objects.update(email="ann@example.org")
    settings.NEW_DEVICE_MAIL = True
    assert log_in_on_a_new_device(phone).status == 200
    assert rows() == ["email_code", "login"]  # the first one is of the registration


def test_the_mail_about_a_log_in_goes_to_the_email_of_that_moment(transactional_db, settings, mailoutbox):
    phone = ZapPhone(InProcess()).sign_up()
    User.objects.update(email="ann@example.org", email_verified=True)
    settings.NEW_DEVICE_MAIL, settings.PUBLIC_URL = True, "https://auth.example.org"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    assert log_in_on_a_new_device(phone).status == 200
    # The person who has logged in removes the email, or sets another one, before the job is done.
    User.objects.update(email="thief@example.org")
    assert do_next(Queue.OTHER).is_done
    assert do_next(Queue.MAIL).is_done
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]
    (link,) = OneUseLink.objects.all()
    assert (link.address, link.is_verified) == ("ann@example.org", True)


@pytest.mark.parametrize("junk", ["", "x", "é", "gAAAAA", "A" * 200])
def test_junk_in_the_table_is_no_job(db, junk):
    assert do(open_job(Taken(1, "login", junk, attempts=0))).again_at


def test_nothing_in_the_queue_can_be_read_or_used(ann):
    ask_for_reset_code("ann@example.org", origin=HERE)
    after_commit(send_code, *MAIL)
    stored = json.dumps(rows("to_jsonb(procrastinate_jobs)::text"))
    for part in ("ann", "example", "192.0.2", "Nokia", "3f9a", "subject", HERE.request_id):
        assert part not in stored


def test_the_arguments_of_one_job_are_no_arguments_of_another(db, mailoutbox, caplog):
    after_commit(send_news, *MAIL)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET task_name = 'send_code'")
    outcome = do_next(Queue.MAIL)
    assert not outcome.is_done
    assert mailoutbox == []


def test_a_code_is_mailed_until_it_expires_and_not_after(ann, mailoutbox, caplog):
    ask_for_reset_code("ann", origin=HERE)
    assert do_next(Queue.OTHER).is_done
    assert OneTimeCode.objects.count() == 1
    taken = take()
    assert (taken.name, mailoutbox) == ("send_code", [])
    with time_machine.travel(database_now() + LIFETIME + timedelta(seconds=1)):
        outcome = do(open_job(taken))
    assert (outcome.is_done, outcome.again_at, mailoutbox) == (False, None, [])
    assert f"the job send_code ({taken.id}) has expired and is not done" in caplog.text
    assert "ann" not in caplog.text
    with time_machine.travel(database_now() + LIFETIME - timedelta(seconds=1)):
        assert do(open_job(taken)).is_done
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]


def test_a_request_for_a_code_that_waited_too_long_makes_none(ann):
    ask_for_reset_code("ann", origin=HERE)
    with time_machine.travel(database_now() + LIFETIME + timedelta(seconds=1)):
        assert not do_next(Queue.OTHER).is_done
    assert OneTimeCode.objects.count() == 0


@pytest.mark.parametrize("identity", ["ann", "bob", "ann@example.org", "bob@example.org"])
def test_the_answer_for_a_user_and_for_nobody_costs_the_same(ann, identity):
    phone = ZapPhone(InProcess())
    somebody, nobody = (
        work_of(lambda name=name: phone.call("POST", "/v1/otp/forgotPassword", {"identity": name}))
        for name in (identity, "x" * len(identity))
    )
    assert somebody == nobody
    facts = "task_name, queue_name, priority, scheduled_at, octet_length(args::text) / 100"
    asked = [row for row in rows(facts) if row[0] == "reset_asked"]
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_a_job_keeps_the_id_of_its_request(db, caplog, monkeypatch):
    made = deferring.job("failing", lifetime=timedelta(minutes=1))(lambda: 1 / 0)
    monkeypatch.setitem(JOBS, "failing", made)
    request_id.set("request-7")
    after_commit(made)
    request_id.set("")
    with caplog.at_level(logging.ERROR):
        do_next(Queue.OTHER)
    assert caplog.records[-1].request_id == "request-7"
    del JOBS["failing"]


def test_codes_come_before_news(db):
    for what in (send_news, send_news, send_code):
        after_commit(what, *MAIL)
    assert [take().name for _ in range(3)] == ["send_code", "send_news", "send_news"]
    assert take() is None


def test_a_job_that_this_server_cannot_read_is_left_to_others_for_half_an_hour(db, settings, caplog):
    after_commit(send_news, *MAIL)
    settings.SECRET_KEY = "another key " * 5
    taken = take()
    pauses = []
    for attempts in range(MOST_UNREADABLE + 1):
        now = database_now()
        outcome = do(open_job(Taken(taken.id, taken.name, taken.sealed, attempts)))
        pauses += [outcome.again_at - now] if outcome.again_at else []
    assert len(pauses) == MOST_UNREADABLE
    assert timedelta(minutes=25) < sum(pauses, timedelta()) < timedelta(minutes=35)
    assert "was stored with another SECRET_KEY or by another version and is given up" in caplog.text


def test_a_job_of_a_newer_version_is_left_to_newer_servers(db):
    call = Call("of the future", [], {}, expires_at=database_now() + timedelta(days=1))
    outcome = do(open_job(Taken(1, "of the future", call.sealed(), attempts=0)))
    assert outcome.again_at


def test_a_job_that_a_newer_version_stored_in_another_form_is_left_to_newer_servers(db):
    sealed = urlsafe_b64encode(seal_bytes(zlib.compress(b'{"expires_at": 1, "more": 2}'), Purpose.JOB)).decode()
    assert do(open_job(Taken(1, "login", sealed, attempts=0))).again_at


def test_failed_jobs_are_tried_again_after_growing_pauses_by_the_databases_clock(db, monkeypatch):
    failing = deferring.Job("failing", lambda: 1 / 0, timedelta(days=1), Queue.OTHER, is_urgent=False)
    monkeypatch.setitem(JOBS, "failing", failing)
    with time_machine.travel("2027-01-01T00:00:00Z", tick=False):
        now = database_now()
        sealed = Call("failing", [], {}, expires_at=now + timedelta(hours=1)).sealed()
        again = [do(open_job(Taken(1, "failing", sealed, attempts))).again_at - now for attempts in (0, 1, 2, 6, 50)]
    assert [round(pause.total_seconds()) for pause in again] == [5, 10, 20, 300, 300]


def test_every_module_with_jobs_is_known_to_servers():
    paths = [path for path in (ROOT / "sessions").rglob("*.py") if "\n@job(" in path.read_text()]
    assert sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths) == sorted(WITH_JOBS)


def test_a_new_job_notifies_nobody(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgenabled FROM pg_trigger WHERE tgname LIKE 'procrastinate_jobs_notify_queue_job_inserted%'"
        )
        assert cursor.fetchall() == [("D",)]


def test_a_restored_backup_has_no_jobs_left(transactional_db):
    after_commit(send_code, *MAIL)
    call_command("restored")
    assert rows() == []


def test_staff_do_not_see_the_queue_in_the_admin(db):
    browser = browser_of(new_staff(name="boss"))
    assert "procrastinate" not in browser.get(reverse("admin:index")).content.decode().lower()
    for model in apps.get_app_config("procrastinate").get_models():
        assert browser.get(f"/admin/procrastinate/{model._meta.model_name}/").status_code == 404
