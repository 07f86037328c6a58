"""Servers work off the queue: at least once, together, and whatever happens to a mail server or to the database."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError, connection, transaction

from sessions.jobs import table, times
from sessions.jobs.call import Call
from sessions.jobs.deferring import JOBS, Job, Queue, after_commit
from sessions.jobs.doing import Outcome, do, open_job
from sessions.jobs.table import Taken
from sessions.jobs.worker import QueueWorker, _Line
from sessions.mail_sending import send_code, send_news
from tests.sessions.jobs.test_deferring import MAIL, rows
from tests.smtp import mail_server
from tests.waiting import wait_until
from users import counting
from users.clock import database_now

pytestmark = [pytest.mark.usefixtures("queue"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Make all pauses short."""
    monkeypatch.setattr(times, "SIGN_OF_LIFE_EVERY", timedelta(seconds=0.1))
    for name in ("LOOK_EVERY", "AFTER_ERROR", "FIRST_PAUSE_OF_QUEUE", "LONGEST_PAUSE_OF_QUEUE"):
        monkeypatch.setattr(times, name, timedelta(seconds=0.02))
    for name in ("FIRST_PAUSE", "PAUSE_AFTER_DEATH"):
        monkeypatch.setattr(times, name, timedelta(0))


@contextmanager
def working(**options):
    worker = QueueWorker(**options)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.fixture
def job(monkeypatch):
    """Makes a job of a function."""

    def make(function, name="test", lifetime=timedelta(minutes=1)):
        made = Job(name, function, lifetime, Queue.OTHER, is_urgent=False)
        monkeypatch.setitem(JOBS, name, made)
        return made

    return make


def test_a_mail_is_sent_once_and_nothing_of_it_stays(smtp):
    with working(), working():
        after_commit(send_code, *MAIL)
        wait_until(lambda: not rows())
    (mail,) = smtp.mails
    assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (MAIL[0], MAIL[1], "auto-generated")
    assert [part.get_payload().strip() for part in mail.get_payload()] == [MAIL[2], MAIL[3]]
    for kept in ("jobs", "events"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM procrastinate_{kept}")  # noqa: S608
            assert cursor.fetchone() == (0,), kept


def test_two_servers_share_the_jobs_and_do_each_once(job):
    done, seen = [], set()
    both = threading.Barrier(2)

    def note(number):
        done.append(number)
        seen.add(threading.current_thread())
        if number < 2:
            both.wait(30)  # two threads do these

    what = job(note)
    for number in range(60):
        after_commit(what, number)
    with working(), working():
        wait_until(lambda: not rows())
    assert sorted(done) == list(range(60))


def test_an_hour_without_a_mail_server_stops_no_other_job_and_the_mails_come_later(smtp, settings, job, caplog):
    done = []
    smtp.close()
    for number in range(20):
        after_commit(send_news, f"user-{number}@example.org", *MAIL[1:])
    with working():
        wait_until(lambda: "the queue mail pauses: the mail server can't be reached" in caplog.text)
        after_commit(job(done.append), 1)
        wait_until(lambda: done)
        assert len(rows()) >= 20
        with mail_server(smtp.port) as again:
            wait_until(lambda: not rows())
            assert sorted(mail["To"] for mail in again.mails) == sorted(f"user-{n}@example.org" for n in range(20))
    assert caplog.text.count("the queue mail pauses") == caplog.text.count("the queue mail goes on") == 1
    assert "example.org" not in caplog.text


def test_while_the_mail_server_is_away_only_a_few_mails_are_tried(smtp, monkeypatch, caplog):
    monkeypatch.setattr(times, "FIRST_PAUSE_OF_QUEUE", timedelta(minutes=1))
    monkeypatch.setattr(times, "LONGEST_PAUSE_OF_QUEUE", timedelta(minutes=1))
    monkeypatch.setattr(times, "FIRST_PAUSE", timedelta(minutes=1))
    smtp.close()
    for _ in range(30):
        after_commit(send_news, *MAIL)
    with working():
        wait_until(lambda: "pauses" in caplog.text)
        wait_until(lambda: not rows("1").count("doing"))
    assert sum(rows("attempts")) <= times.THREADS["mail"]


@pytest.mark.parametrize(("command", "answer"), [("RCPT", "550 no such user"), ("END", "554 spam")])
def test_a_mail_that_is_refused_for_good_is_given_up(smtp, caplog, command, answer):
    smtp.answers[command] = answer
    after_commit(send_news, *MAIL)
    with working():
        wait_until(lambda: not rows())
    assert f"the mail server refused a mail for good ({answer[:3]})" in caplog.text
    assert "example.org" not in caplog.text


def test_an_address_that_breaks_the_header_holds_up_no_other_mail(smtp, caplog):
    # RFC 5321 allows control characters in quotes, so a stranger can register with such an address.
    for address in ('"x\x0bBcc:y"@example.org', '"x\x1ey"@example.org'):
        after_commit(send_code, address, *MAIL[1:])
    after_commit(send_code, *MAIL)
    with working():
        wait_until(lambda: not rows())
    assert [mail["To"] for mail in smtp.mails] == [MAIL[0]]
    assert "pauses" not in caplog.text
    assert "example.org" not in caplog.text


@pytest.mark.parametrize("command", ["RCPT", "END", "MAIL", "EHLO"])
def test_a_mail_that_is_refused_for_now_is_tried_again(smtp, caplog, command):
    smtp.answers |= {command: "451 later"} | ({"HELO": "451 later"} if command == "EHLO" else {})
    after_commit(send_news, *MAIL)
    with working():
        wait_until(lambda: rows("attempts")[0] >= 2)
        smtp.answers.clear()
        wait_until(lambda: smtp.mails)
    assert "example.org" not in caplog.text


def test_a_job_of_a_server_that_died_is_taken_over_and_that_of_a_living_one_is_not(job, monkeypatch, caplog):
    monkeypatch.setattr(times, "DEAD_AFTER", timedelta(seconds=0.3))
    done = []
    for name in ("dead", "alive", "gone"):
        after_commit(job(done.append, name), name)
    workers = {}
    for name in ("dead", "alive", "gone"):
        workers[name] = table.register()
        assert table.take("other", worker_id=workers[name]).name == name
    table.unregister(workers["gone"])
    # This host's clock is wrong. The database's clock decides.
    with mock.patch("time.time", return_value=0), working():
        wait_until(lambda: [table.give_sign_of_life(workers["alive"]), len(done) == 2][-1])
    assert sorted(done) == ["dead", "gone"]
    assert rows() == ["alive"]
    assert "the job dead" in caplog.text
    assert "was left by a server that stopped" in caplog.text


def test_a_server_that_was_paused_itself_does_not_think_that_the_others_are_dead(monkeypatch):
    """After an outage of the database all signs of life are old. The first server must not take all jobs."""
    monkeypatch.setattr(times, "DEAD_AFTER", timedelta(seconds=30))
    other = table.register()
    after_commit(send_news, *MAIL)
    assert table.take("mail", worker_id=other)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = clock_timestamp() - interval '1 minute'")
    signs = []
    give = table.give_sign_of_life
    with mock.patch.object(table, "give_sign_of_life", lambda worker: [signs.append(1), give(worker)]), working():
        wait_until(lambda: len(signs) > 5)
        assert rows("status::text") == ["doing"]


def test_the_outcome_of_a_job_is_told_when_the_database_answers_again(job, monkeypatch, caplog):
    done, fails = [], iter([True] * 5)
    finish = table.finish

    def failing(taken):
        if next(fails, False):
            raise OperationalError("on purpose")
        finish(taken)

    monkeypatch.setattr(table, "finish", failing)
    after_commit(job(done.append), 1)
    with working():
        wait_until(lambda: not rows())
    assert done == [1]


def test_a_mail_is_sent_once_though_all_connections_to_the_database_are_cut_meanwhile(smtp):
    smtp.goes_on.clear()
    after_commit(send_news, *MAIL)
    with working():
        wait_until(lambda: smtp.begun)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        smtp.goes_on.set()
        wait_until(lambda: not rows())
        assert len(smtp.mails) == 1


def test_after_an_outage_no_job_is_done_before_it_is_known_that_no_backup_was_restored(job, monkeypatch, caplog):
    done, checks = [], []
    take, fails = table.take, iter([True] * 3)

    def failing(queue, **rest):
        if next(fails, False):
            raise OperationalError("on purpose")
        return take(queue, **rest)

    def check():
        checks.append(1)
        raise RuntimeError("a backup was restored")

    monkeypatch.setattr(table, "take", failing)
    after_commit(job(done.append), 1)
    with working(check=check) as worker:
        wait_until(lambda: len(checks) > 5)
        assert done == []
        worker._check = lambda: None
        wait_until(lambda: done)
    assert caplog.text.count("jobs wait until the database answers") == 1


def test_a_server_that_stops_finishes_its_jobs_and_hands_back_what_takes_too_long(job, monkeypatch):
    begun, goes_on, done = threading.Semaphore(0), threading.Event(), []
    monkeypatch.setattr(times, "LAST_JOBS", timedelta(seconds=0.5))

    def short():
        begun.release()
        wait_until(worker._stopped.is_set)
        done.append("short")

    def long():
        begun.release()
        goes_on.wait(60)
        done.append("long")

    after_commit(job(short, "short"))
    after_commit(job(long, "long"))
    with working() as worker:
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
    assert (done, rows()) == (["short"], ["long"])
    goes_on.set()
    wait_until(lambda: not rows())  # its thread lived on, in this test, and finished it
    assert done == ["short", "long"]


def test_what_a_stopped_server_hands_back_is_taken_over_at_once(job):
    done = []
    after_commit(job(done.append), 1)
    gone = table.register()
    assert table.take("other", worker_id=gone)
    table.unregister(gone)
    with working():
        wait_until(lambda: done)


def test_a_server_that_the_others_have_forgotten_makes_itself_known_again(job):
    done = []
    with working() as worker:
        wait_until(lambda: worker._worker_id)
        table.unregister(worker._worker_id)
        after_commit(job(done.append), 1)
        wait_until(lambda: done)


def test_a_hundred_thousand_waiting_mails_slow_nothing_down(smtp):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the triggers would take ten seconds
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)"
            " SELECT 'mail', 'send_news', '{\"sealed\": \"x\"}', now() + (number % 2) * interval '1 hour'"
            " FROM generate_series(1, 100000) number"
        )
        cursor.execute("ANALYZE procrastinate_jobs")  # as autovacuum does, within a minute
    worker_id = table.register()
    after_commit(send_code, *MAIL)
    take = {"queue": "mail", "priorities": [table.URGENT, table.NORMAL], "worker_id": worker_id}
    for read in (
        pages_read(table._TAKE, take),
        pages_read(table._TAKE, take | {"queue": "other"}),
        pages_read(table._TAKE_BACK, {"after": "1 minute", "pause": "0"}),
    ):
        assert read < 100  # of some thousand, in pages of 8 kB
    assert table.take("mail", worker_id=worker_id).name == "send_code"
    assert table.take("mail", worker_id=worker_id).name == "send_news"


def pages_read(statement, parameters):
    """Return how many pages PostgreSQL reads for the statement, whose changes are rolled back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        plan = cursor.fetchone()[0][0]["Plan"]
        transaction.set_rollback(True)
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_waiting_job_whose_time_has_not_come_is_left(job):
    after_commit(job(print))
    worker_id = table.register()
    table.put_back(table.take("other", worker_id=worker_id), at=database_now() + timedelta(minutes=5))
    assert table.take("other", worker_id=worker_id) is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - interval '5 minutes'")
    assert table.take("other", worker_id=worker_id).attempts == 1


def test_pauses_and_jobs_that_are_never_done_are_counted(db):
    counts, line = mock.Mock(), _Line(Queue.MAIL)
    past = Call("send_code", MAIL, {}, expires_at=database_now() - timedelta(seconds=1)).sealed()
    counting.use(counts)
    try:
        for outcome in (
            Outcome(stops_queue="away"),
            Outcome(is_done=True),
            do(open_job(Taken(1, "send_code", past, 0))),
        ):
            line.note(outcome)
    finally:
        counting.use(None)
    assert counts.mock_calls == [
        mock.call.queue_paused(queue="mail", is_paused=True),
        mock.call.queue_paused(queue="mail", is_paused=False),
        mock.call.job_dropped(queue="mail", why="expired"),
    ]
