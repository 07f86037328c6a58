"""The formats of the log: lines to read, and one JSON object a line."""

import contextvars
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from sessions.models import Session
from tests.bad_input.bugs import failing
from tests.environment import ROOT
from tests.phones import PASSWORD, InProcess, Live, ZapPhone
from tests.servers import free_port, running_server, test_environment
from tests.waiting import wait_until
from users.models import User
from users.origin import Origin
from users.record import stream
from users.record.events import Event
from users.record.stream import log_entry
from users.record.writing import record
from zapauth import logs
from zapauth.environment import Environment
from zapauth.request_facts import RequestFacts

LOGGER = logging.getLogger("zapauth.test_logs")


class Lines(logging.Handler):
    """Formats each record in both formats, as a handler of the server does."""

    def __init__(self):
        super().__init__()
        self.texts, self.jsons = [], []

    def emit(self, record):
        self.texts.append(logs.TextFormatter().format(record))
        self.jsons.append(logs.JsonFormatter().format(record))

    @property
    def last(self):
        return json.loads(self.jsons[-1])


@pytest.fixture
def lines():
    handler = Lines()
    ours = logging.getLogger("zapauth")
    ours.addHandler(handler)
    yield handler
    ours.removeHandler(handler)


def entries(lines):
    return [line for line in map(json.loads, lines.jsons) if line["logger"] == "zapauth.record"]


# --- the two formats ----------------------------------------------------------------------------


def test_a_line_of_text_has_time_level_logger_request_and_message(lines):
    LOGGER.warning("%d sessions", 3)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING zapauth\.test_logs \[-\] 3 sessions", lines.texts[0]
    )


def test_a_line_of_json_has_the_same_facts_and_its_time_is_in_utc(lines):
    LOGGER.warning("%d sessions", 3)
    assert lines.last.keys() == {"timestamp", "level", "logger", "message"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines.last["timestamp"])
    assert (lines.last["level"], lines.last["logger"]) == ("WARNING", "zapauth.test_logs")
    assert lines.last["message"] == "3 sessions"


def test_what_else_a_caller_gives_is_left_out(lines):
    request = RequestFactory().get("/v1/login?password=hunter2hunter2")
    LOGGER.error("it failed", extra={"request": request, "status_code": 500})
    assert lines.last.keys() == {"timestamp", "level", "logger", "message"}


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", "a\x1b[31mb", "a\x85b", 'a"b\\', "a\udc80b"])
def test_a_message_stays_one_line_in_both_formats(text):
    lines = Lines()
    # Not through a logger: pytest would capture half of a surrogate pair, and could not send it to its main process.
    lines.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))
    assert lines.jsons[0].isascii()
    assert len(lines.jsons[0].splitlines()) == len(lines.texts[0].splitlines()) == 1
    assert "\x1b" not in lines.texts[0]
    assert lines.last["message"] == text


def test_an_exception_is_one_line_of_json_and_its_stack_one_text(lines):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        LOGGER.exception("it failed")
    assert len(lines.jsons[0].splitlines()) == 1
    assert lines.last["exception"].startswith("Traceback (most recent call last):\n")
    assert lines.last["exception"].endswith("ValueError: first\nsecond")
    assert lines.texts[0].endswith(lines.last["exception"])


def error_of(statement, value):
    with pytest.raises(DatabaseError) as failed, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [value])
    return failed.value


def test_the_values_that_postgresql_quotes_in_an_error_are_in_no_line(lines, db):
    ann = User.objects.create_user("ann", email="ann@example.org", password=PASSWORD)
    error = error_of("INSERT INTO users_user SELECT * FROM users_user WHERE id = %s", ann.pk)
    assert f"({ann.pk})" in str(error)
    LOGGER.error("it failed", exc_info=error)
    assert "duplicate key value" in lines.last["exception"]
    assert ann.pk not in lines.texts[0] + lines.jsons[0]
    assert "DETAIL" not in lines.texts[0] + lines.jsons[0]


def test_the_statement_that_postgresql_quotes_in_an_error_is_in_no_line_of_a_group_either(lines, db):
    email = "a@example.org"  # a stack has the lines of the source, too
    error = error_of("SELECT nothing FROM users_user WHERE email = %s", email)
    assert email in str(error)
    LOGGER.error("it failed", exc_info=ExceptionGroup("all", [error, ValueError("other")]))
    assert 'column "nothing" does not exist' in lines.last["exception"]
    assert email not in lines.texts[0] + lines.jsons[0]


def test_an_exception_that_no_code_catches_is_logged_from_every_thread(lines, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.log_uncaught()
    logging.captureWarnings(False)
    thread = threading.Thread(target=lambda: 1 / 0, name="the-thread")
    thread.start()
    thread.join()
    assert lines.last["level"] == "CRITICAL"
    assert "the-thread" in lines.last["message"]
    assert "ZeroDivisionError" in lines.last["exception"]
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert len(lines.jsons) == 1


@pytest.mark.parametrize(("value", "chosen"), [("", "text"), ("text", "text"), ("json", "json"), ("JSON", "json")])
def test_the_format_is_text_unless_told(monkeypatch, value, chosen):
    monkeypatch.setenv("LOG_FORMAT", value)
    assert Environment().choice("LOG_FORMAT", "text", ["text", "json"]) == chosen


@pytest.mark.parametrize(("name", "allowed"), [("LOG_FORMAT", "text, json"), ("LOG_LEVEL", "DEBUG, INFO, WARNING, ")])
def test_another_word_is_refused_at_the_start_with_the_words_that_are_allowed(name, allowed):
    done = subprocess.run(
        [sys.executable, "-m", "zapauth.serve"],
        cwd=ROOT,
        env=os.environ | {name: "xml"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"zapauth: {name} is one of {allowed}")
    assert "it can't be 'xml'" in done.stderr
    assert "Traceback" not in done.stderr


# --- the facts of a request -----------------------------------------------------------------------


def test_a_line_has_the_request_the_user_the_session_and_the_app_of_its_caller(lines, db, caplog):
    phone = ZapPhone(InProcess()).sign_up()
    with failing("zapauth.zap.viewsets.OWN_USER", caplog):
        handler = logging.getLogger("django.request")
        handler.addHandler(lines)
        try:
            broken = phone.me()
        finally:
            handler.removeHandler(lines)
    assert broken.status == 500
    session = Session.objects.get(user=phone.user_id)
    told = lines.last
    assert told["request_id"] == broken.headers["x-request-id"]
    assert (told["user"], told["session"]) == (phone.user_id, str(session.pk))
    assert (told["app"], told["ip"]) == (session.app_id, "127.0.0.1")
    assert f"[{told['request_id']}]" in lines.texts[-1]


def test_a_refused_request_is_logged_with_its_route_and_its_caller(new_phone, lines):
    ann, ben = new_phone().sign_up(), new_phone().sign_up()
    logger = logging.getLogger("zapauth.requests")
    logger.addHandler(lines)
    try:
        prefix = "/v1" if ann.dialect == "zap" else ""
        assert ann.call("GET", f"{prefix}/users/{ben.user_id}", token=ann.access_token).status == 403
    finally:
        logger.removeHandler(lines)
    told = lines.last
    assert told["user"] == ann.user_id
    assert "GET" in told["message"]
    assert ben.user_id not in lines.texts[-1]


def test_after_a_request_its_facts_are_gone(lines):
    def answer(request):
        LOGGER.info("within")
        return {}

    contextvars.copy_context().run(RequestFacts(answer), RequestFactory().get("/v1/login"))
    LOGGER.info("after")
    within, after = map(json.loads, lines.jsons)
    assert uuid.UUID(within["request_id"])
    assert within["ip"] == "127.0.0.1"
    assert "request_id" not in after


# --- the record -----------------------------------------------------------------------------------


def test_an_entry_of_the_record_is_a_line_with_its_ids(lines):
    session = uuid.uuid4()
    log_entry("login", "done", user="u1", actor="a1", session=session, app="p1", origin=Origin("203.0.113.9", "", "r1"))
    told = {name: value for name, value in lines.last.items() if name != "timestamp"}
    assert told == {
        "level": "INFO",
        "logger": "zapauth.record",
        "message": "login done",
        "event": "login",
        "outcome": "done",
        "user": "u1",
        "actor": "a1",
        "session": str(session),
        "app": "p1",
        "ip": "203.0.113.9",
        "request_id": "r1",
    }
    ids = f"user=u1 actor=a1 session={session} app=p1 ip=203.0.113.9"
    assert lines.texts[0].endswith(f" INFO zapauth.record [r1] login done {ids}")


def test_an_entry_without_a_user_does_not_get_the_user_of_the_caller(lines, db, monkeypatch):
    phone = ZapPhone(InProcess()).sign_up()

    def answer(request):
        request.auth = Session.objects.get(user=phone.user_id)
        log_entry("app_created", "done", app="p1")
        LOGGER.info("another line")
        return {}

    request = RequestFactory().get("/v1/login")
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "on_commit", lambda tell: tell())
        RequestFacts(answer)(request)
    entry, other = map(json.loads, lines.jsons[-2:])
    assert "user" not in entry
    assert entry["request_id"] == request.request_id
    assert other["user"] == phone.user_id


def test_an_entry_is_logged_when_it_commits_and_never_when_it_is_rolled_back(lines, transactional_db):
    ann = User.objects.create_user("ann", email="ann@example.org", password=PASSWORD)
    with transaction.atomic():
        record(Event.PASSWORD_CHANGED, user=ann, actor=ann)
        assert entries(lines) == []
        with transaction.atomic():
            record(Event.EMAIL_CHANGED, user=ann)
            transaction.set_rollback(True)
    with transaction.atomic():
        record(Event.ROLE_CHANGED, user=ann)
        transaction.set_rollback(True)
    (entry,) = entries(lines)
    assert (entry["event"], entry["outcome"], entry["user"]) == (Event.PASSWORD_CHANGED.value, "done", ann.pk)


def test_with_the_level_off_an_entry_asks_for_nothing_at_its_commit(db, monkeypatch):
    asked = []
    monkeypatch.setattr(transaction, "on_commit", asked.append)
    monkeypatch.setattr(stream.logger, "isEnabledFor", lambda level: level >= logging.WARNING)
    with transaction.atomic():
        log_entry("login", "done", user="u1")
    assert asked == []
    monkeypatch.setattr(stream.logger, "isEnabledFor", lambda level: level >= logging.INFO)
    with transaction.atomic():
        log_entry("login", "done", user="u1")
    assert len(asked) == 1


# --- the documentation ------------------------------------------------------------------------


PAGE = re.search(r"^## Logs\n(.+?)^## ", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL | re.MULTILINE)[1]


def test_the_page_lists_every_logger():
    code = "".join(
        file.read_text() for name in ("zapauth", "sessions", "users") for file in (ROOT / name).rglob("*.py")
    )
    named = set(re.findall(r'getLogger\("(zapauth[\w.]*)"\)', code))
    assert named == set(re.findall(r"^\| `(zapauth[\w.]*)` \|", PAGE, re.MULTILINE))


def test_the_page_lists_every_field(lines):
    example = json.loads(re.search(r"^```json\n(.+?)\n```$", PAGE, re.MULTILINE)[1])
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (?:all|of |entries)", PAGE, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"\w+", row)}
    log_entry("login", "done", user="u1", actor="a1", session=uuid.uuid4(), app="p1", origin=Origin("::1", "", "r1"))
    entry = lines.last
    assert example.keys() == entry.keys()
    assert described == entry.keys() | {"exception"}


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
def test_the_examples_for_jq_work(lines, tmp_path):
    example = json.loads(re.search(r"^```json\n(.+?)\n```$", PAGE, re.MULTILINE)[1])
    session, origin = uuid.uuid4(), Origin("203.0.113.9", "", example["request_id"])
    log_entry("login", "done", user=example["user"], session=session, origin=origin)
    log_entry("login_refused", "refused", origin=Origin("203.0.113.7", "", "r2"))
    LOGGER.error("it failed", exc_info=ValueError("first\nsecond"))
    log = tmp_path / "log"
    log.write_text("\n".join(["a mail\n", lines.jsons[0], "{", "[1]", "7", *lines.jsons[1:]]))
    block = re.search(r"^```sh\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]
    commands = [line for line in block.splitlines() if not line.startswith("#")]
    said = []
    for command in commands:
        assert command.startswith("journalctl --unit zapauth --output cat | jq ")
        line = command.replace("journalctl --unit zapauth --output cat", f"cat {log}")
        done = subprocess.run(["bash", "-euc", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=60)
        said.append(done.stdout)
        assert done.returncode == 0, done.stderr
    of_request, of_user, of_addresses, of_bugs = said
    assert json.loads(of_request)["session"] == str(session)
    assert of_user.split()[1:] == ["login", "done", "203.0.113.9"]
    assert of_addresses.split() == ["1", "203.0.113.7"]
    assert "it failed\nValueError: first\nsecond" in of_bugs


# --- a real server ------------------------------------------------------------------------------


def test_every_line_of_a_real_server_is_one_json_object(transactional_db):
    with running_server(LOG_FORMAT="json", LOG_LEVEL="DEBUG", WORKERS="1") as server:
        phone = ZapPhone(Live(server.base_url)).sign_up()
        renamed = phone.ask("PUT", f"/v1/users/{phone.user_id}", {"name": "Ann", "password": PASSWORD})
        with psycopg.connect(**_parameters(), autocommit=True) as link:
            link.execute("ALTER TABLE users_user RENAME TO users_away")
            try:
                broken = phone.me()
            finally:
                link.execute("ALTER TABLE users_away RENAME TO users_user")
        server.workers()[0].kill()
        wait_until(lambda: "was killed by SIGKILL" in server.log.read_text())
    told = [json.loads(line) for line in server.text.splitlines()]
    assert any("ZapAuth listens on " in line["message"] for line in told)
    assert any("was killed by SIGKILL" in line["message"] for line in told)
    (entry,) = (line for line in told if line.get("request_id") == renamed.headers["x-request-id"])
    assert (entry["logger"], entry["event"]) == ("zapauth.record", Event.NAME_CHANGED.value)
    assert entry["user"] == entry["actor"] == phone.user_id
    assert broken.status == 500
    (bug,) = (line for line in told if line.get("request_id") == broken.headers["x-request-id"])
    assert bug["exception"].startswith("Traceback")


def test_a_server_that_can_not_start_says_why_in_json(transactional_db):
    done = subprocess.run(
        [sys.executable, "-m", "zapauth.serve"],
        cwd=ROOT,
        env=test_environment() | {"LOG_FORMAT": "json", "ALLOWED_HOSTS": "*", "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = map(json.loads, done.stderr.splitlines())
    assert line["level"] == "CRITICAL"
    assert {"zapauth.E004", "zapauth.E005"} <= set(re.findall(r"zapauth\.E\d+", line["message"]))


def _parameters():
    keep = {"host", "port", "user", "password", "dbname"}
    return {name: value for name, value in connection.get_connection_params().items() if name in keep}
