"""PostgreSQL's log contains errors, but no data of requests."""

from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DataError, IntegrityError, connection, transaction

from tests.phones import PASSWORD
from tests.project.test_docker import COMPOSE
from users.models import User
from zapauth import database_log
from zapauth.local.embedded_postgres import QUIET

embedded = pytest.mark.skipif(not settings.IS_LOCAL, reason="only the embedded server's log can be read here")


class Logged:
    text = ""


@contextmanager
def logged():
    """Return the lines that the embedded server logs during the test."""
    file, said = settings.DATA_DIR / "postgres" / "log", Logged()
    before = file.stat().st_size
    yield said
    said.text = file.read_bytes()[before:].decode()


def person(phone, name, **fields):
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    if phone.dialect == "zap":
        return phone.call("POST", "/v1/users", body | {"phoneNumber": "+4915112345678"} | fields)
    phone._ready()
    return phone.call("POST", "/users", body | fields, token=phone.app_token)


@embedded
@pytest.mark.parametrize("taken", ["username", "email", "phoneNumber"])
def test_registering_what_is_taken_is_no_error_of_the_database(new_phone, taken):
    phone = new_phone()
    if phone.dialect == "buddy" and taken == "phoneNumber":
        taken = "email"  # Buddy has no phone numbers
    own = {"username": "somebody_else", "email": "else@example.org", "phoneNumber": "+4915187654321"}
    del own[taken]
    if phone.dialect == "buddy":
        own.pop("phoneNumber")
    assert person(phone, "ann_lee").status in (200, 201)
    with logged() as said:
        assert person(phone, "ann_lee", **own).status in (400, 422)
    assert said.text == ""


@embedded
def test_changing_to_what_is_taken_is_no_error_of_the_database(new_phone):
    ann, ben = new_phone().sign_up(), new_phone().sign_up()
    User.objects.filter(pk=ann.user_id).update(email="ann@example.org", phone_number="+4915112345678")
    with logged() as said:
        if ben.dialect == "zap":
            changes = (
                {"username": ann.username.upper()},
                {"email": "ANN@example.org"},
                {"phoneNumber": "+4915112345678"},
            )
            codes = [ben.ask("PUT", f"/v1/users/{ben.user_id}", change).json["code"] for change in changes]
            assert codes == ["username_taken", "email_taken", "phone_number_taken"]
        else:
            for change in ({"username": ann.username.upper()}, {"email": "ANN@example.org"}):
                assert ben.ask("PATCH", "/users/me", change).json["error"] == "ItemAlreadyExists"
    assert said.text == ""


@embedded
def test_an_error_that_happens_all_the_same_is_logged_without_what_was_sent(db):
    User.objects.create_user("ann_lee", PASSWORD, email="ann@example.org")
    with logged() as said:
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create_user("ANN_LEE", PASSWORD, email="other@example.org")
        with pytest.raises(DataError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE users_user SET tag = %s, date_of_birth = (1 / %s)::text::timestamptz", ["my tag", 0])
    assert 'duplicate key value violates unique constraint "user_username_taken"' in said.text
    assert "division by zero" in said.text
    for secret in ("ann_lee", "ANN_LEE", "example.org", "argon2", "my tag", "INSERT", "UPDATE"):
        assert secret not in said.text


@embedded
def test_the_embedded_server_would_log_nothing_that_was_sent(db):
    assert database_log.revealing_settings() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_min_error_statement", "error"),
        ("log_error_verbosity", "default"),
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_parameter_max_length_on_error", "-1"),
    ],
)
def test_the_deployment_check_and_the_start_warn_of_a_database_that_would_log_it(
    db, settings, monkeypatch, capsys, caplog, name, value
):
    original = connection.get_connection_params()
    options = f"{original.get('options', '')} -c {name}={value}"
    monkeypatch.setattr(connection, "get_connection_params", lambda: original | {"options": options})
    settings.IS_LOCAL, settings.EMAIL_URL = False, "consolemail://"
    call_command("check", "--deploy")
    said = capsys.readouterr().err
    assert "zapauth.W001" in said
    assert f"{name}={value}" in said
    assert "log_min_error_statement=panic" in said
    database_log.warn_of_revealing_settings()
    assert f"{name}={value}" in caplog.text


def test_a_database_that_cannot_be_reached_is_not_warned_of(db, settings, monkeypatch):
    def refuse(**_):
        raise psycopg.OperationalError

    settings.IS_LOCAL = False
    monkeypatch.setattr(psycopg, "connect", refuse)
    assert database_log.check_database_log(None) == []


def test_the_database_of_the_composition_is_started_alike():
    command = COMPOSE["services"]["postgres"]["command"]
    assert command == ["postgres", *(f"-c{name}={value}" for name, value in QUIET.items())]
