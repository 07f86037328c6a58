"""The gate, `/verify`: what a gateway gets for each kind of request, in this process."""

import hashlib
import hmac
import logging
from datetime import timedelta
from unittest import mock

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from psycopg.errors import AdminShutdown, LockNotAvailable, QueryCanceled
from psycopg_pool import PoolTimeout

from sessions.models import Session
from sessions.tokens.jwt import UserAccessToken
from tests.bad_input.bugs import failing
from tests.bad_input.calls import METHODS
from tests.bad_input.genuine import Genuine
from tests.bad_input.oddities import FOREIGN_HOSTS, ODD_HEADERS
from tests.phones import InProcess
from tests.sessions.staff import browser_of, new_staff
from users.clients import create_app
from users.models import App, User
from zapauth.environment import Environment
from zapauth.gate import middleware
from zapauth.postgresql.pool import CannotConnect

OURS = ["X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User"]
NOBODY = "0" * 24
NO_TOKEN = (401, "token_missing", 'Bearer realm="zapauth"')
BAD_TOKEN, WRONG, CLOSED = (401, "invalid_token"), (403, "insufficient_scope"), (503, "temporarily_unavailable")
both = pytest.mark.parametrize("phone_kind", ["zap", "buddy"], indirect=True)
zap, buddy = pytest.mark.only("zap"), pytest.mark.only("buddy")


@pytest.fixture
def phone(new_phone):
    return new_phone().sign_up()


@pytest.fixture(autouse=True)
def _every_line(monkeypatch):
    """Let each test see the lines that come once a minute."""
    for name in ("_ACCEPTED", "_MISTAKES"):
        monkeypatch.setattr(middleware, name, middleware._Seldom())


def ask(phone, path="/verify", *, method="GET", token=None, content=None, **headers):
    given = {"Authorization": f"{phone.scheme} {token or phone.access_token}"} if phone else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return InProcess()(method, path, headers=given, content=content)


def refusal(reply):
    """Return status and word of a refusal. Fails if it is incomplete."""
    assert reply.headers["content-type"] == "application/json", reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert "x-request-id" in reply.headers, reply
    assert not {name.lower() for name in OURS} & reply.headers.keys(), reply
    assert reply.json.keys() == {"error", "error_description"}, reply
    error, challenge = reply.json["error"], reply.headers.get("www-authenticate", "")
    if reply.status == 503:
        assert int(reply.headers["retry-after"]) >= 1
        assert not challenge
    elif error == "token_missing":
        assert challenge == 'Bearer realm="zapauth"'
    else:
        text = reply.json["error_description"]
        assert challenge == f'Bearer realm="zapauth", error="{error}", error_description="{text}"'
    return reply.status, error


def session_of(phone):
    return Session.objects.get(pk=Genuine(phone.access_token).claims["sid"])


# --- who passes -----------------------------------------------------------------------------------


def test_a_live_token_passes_with_its_user_session_app_and_role(phone):
    User.objects.filter(pk=phone.user_id).update(role_id="nurse")
    reply, claims = ask(phone), Genuine(phone.access_token).claims
    assert reply.status == 200
    assert [reply.headers[name.lower()] for name in OURS] == [
        *(phone.user_id, claims["sid"], claims["aud"], "nurse", phone.user_id)
    ]
    assert reply.headers["cache-control"] == "no-store"
    assert "x-session-checked" not in reply.headers
    extra = reply.json.pop("extra")
    assert reply.json["subject"] == phone.user_id
    assert extra["expires_at"] == f"{UserAccessToken.read(phone.access_token).expires_at:%Y-%m-%dT%H:%M:%S}Z"
    assert extra | {"expires_at": ""} == {
        "sid": claims["sid"],
        "app": claims["aud"],
        "level": "user",
        "role": "nurse",
        "expires_at": "",
    }


@buddy
def test_an_app_level_token_passes_without_a_user_unless_a_users_is_asked_for(new_phone):
    phone = new_phone()
    phone.register_device()
    reply = ask(phone, token=phone.app_token)
    assert reply.status == 200
    assert [reply.headers[name.lower()] for name in ("X-User-Id", "Remote-User", "X-Role-Id")] == ["", "", ""]
    assert reply.headers["x-app-id"] == reply.json["subject"] == phone.app_id
    assert reply.json["extra"]["level"] == "app"
    assert refusal(ask(phone, "/verify?level=user", token=phone.app_token)) == WRONG
    assert refusal(ask(phone, "/verify;level=user/x", token=phone.app_token)) == WRONG


@pytest.mark.parametrize("scheme", ["Bearer", "Buddy", "bearer", "BUDDY"])
def test_both_schemes_are_taken_for_the_tokens_of_both_dialects(phone, scheme):
    assert ask(phone, Authorization=f"{scheme} {phone.access_token}").status == 200


@zap
def test_any_method_path_query_host_and_header_passes_and_no_body_is_looked_at(phone, subtests):
    paths = [
        "/verify",
        "/verify/",
        "/verify;",
        "/verify;/",
        "/verify/a//b/../c",
        "/verify/%FF%00%2F?%ff&&=;",
        "/verify/é",
    ]
    for method in (*METHODS, "PROPFIND", "REPORT"):
        for path in paths:
            with subtests.test(method=method, path=path):
                assert ask(phone, path, method=method, content=b"\xff{" * 100_000).status == 200
    for host in FOREIGN_HOSTS:
        with subtests.test(host=host[:20]):
            assert ask(phone, Host=host).status == 200
    for name, value in ODD_HEADERS:
        with subtests.test(name=name):
            assert ask(phone, **{name: value}).status == 200
    assert ask(phone, method="POST", content=b"x", Content_Type="multipart/form-data; boundary=").status == 200


@zap
@pytest.mark.parametrize("path", ["/verifyx", "/Verify", "/verif", "/v1/verify", "/verify.json", "/x/verify"])
def test_other_paths_are_not_the_gate(phone, path):
    assert ask(phone, path).status == 404


def test_a_request_costs_one_statement(phone, django_assert_num_queries):
    ask(phone)
    with django_assert_num_queries(1):
        assert ask(phone, "/verify?level=user").status == 200


@zap
def test_passing_counts_as_use_of_the_session_and_being_refused_does_not(new_phone):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        opened = session_of(phone).last_seen_at
        clock.shift(timedelta(minutes=6))
        assert ask(phone, "/verify?app=Other").status == 403
        assert session_of(phone).last_seen_at == opened
        assert ask(phone).status == 200
        assert session_of(phone).last_seen_at == opened + timedelta(minutes=6)


@zap
def test_a_given_request_id_is_kept(phone):
    assert ask(phone, X_Request_ID="of-the-gateway.1").headers["x-request-id"] == "of-the-gateway.1"
    assert ask(None, X_Request_ID="of-the-gateway.2").headers["x-request-id"] == "of-the-gateway.2"


# --- who does not ---------------------------------------------------------------------------------


def test_after_a_logout_the_token_is_refused(phone):
    assert ask(phone).status == 200
    assert phone.log_out().status == 200
    assert refusal(ask(phone)) == BAD_TOKEN
    assert "session" in ask(phone).json["error_description"]


@pytest.mark.parametrize(
    ("model", "change"),
    [
        *((App, change) for change in ({"session_epoch": 1}, {"is_active": False})),
        *((User, change) for change in ({"session_epoch": 1}, {"is_active": False})),
        (User, {"deleted_at": "2026-03-01T12:00:00Z"}),
    ],
)
def test_an_order_a_disabled_user_and_a_switched_off_app_refuse_the_next_request(phone, model, change):
    assert ask(phone).status == 200
    session = session_of(phone)
    model.objects.filter(pk=session.app_id if model is App else session.user_id).update(**change)
    assert refusal(ask(phone)) == BAD_TOKEN


def test_an_expired_token_is_refused(new_phone):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        clock.move_to(UserAccessToken.read(phone.access_token).expires_at)
        assert refusal(ask(phone)) == BAD_TOKEN
        assert "expired" in ask(phone).json["error_description"]


@zap
def test_a_refresh_token_is_refused(phone):
    assert refusal(ask(phone, token=phone.refresh_token)) == BAD_TOKEN


@zap
def test_tokens_that_are_not_quite_ours_are_refused(phone, subtests):
    genuine = Genuine(phone.access_token)
    forged = {
        "another subject": genuine.claiming(sub=NOBODY),
        "another audience": genuine.claiming(aud=NOBODY),
        "another level": genuine.claiming(token_type="app_access"),
        "another issuer": genuine.claiming(iss="somebody"),
        "another session": genuine.claiming(sid="0190163d-8694-739b-aea5-966c26f8ad91"),
        "no session": genuine.claiming(sid=None),
        "no signature": genuine.joined(b""),
        "no algorithm": genuine.joined(b"", header=genuine.header | {"alg": "none"}),
        "noise": "\xff\xfe",
        "60 kB": "x" * 60_000,
    }
    for name, token in forged.items():
        with subtests.test(name=name):
            assert refusal(ask(phone, token=token)) == BAD_TOKEN


@zap
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Token {}", "{}", "BearerX {}", "Bearer\0 {}", '"Bearer" {}', "\xa0 {}"],
)
def test_without_a_token_of_a_known_scheme_there_is_no_error_code_in_the_challenge(phone, header):
    assert refusal(ask(phone, Authorization=header.format(phone.access_token))) == (401, "token_missing")


@zap
def test_a_token_elsewhere_than_in_the_header_does_not_count(phone):
    reply = ask(None, f"/verify/x?access_token={phone.access_token}", Cookie=f"token={phone.access_token}")
    assert refusal(reply) == (401, "token_missing")
    in_form = {"method": "POST", "content": f"access_token={phone.access_token}"}
    kind = "application/x-www-form-urlencoded"
    assert refusal(ask(None, **in_form, Content_Type=kind)) == (401, "token_missing")


@zap
def test_of_several_headers_none_counts(phone):
    """The server joins repeated headers with a comma."""
    for other in ("Bearer x", f"Bearer {phone.access_token}", "x", "", "Buddy y z"):
        for pair in ((f"Bearer {phone.access_token}", other), (other, f"Bearer {phone.access_token}")):
            assert ask(phone, Authorization=",".join(pair)).status == 401


def test_a_browsers_session_never_passes_not_even_with_a_token_of_it(db):
    browser = browser_of(new_staff("Support", name="sven"))
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/verify").status_code == 401
    session = Session.objects.select_related("app").get(app__kind=App.Kind.ADMIN)
    times = {"issued_at": session.created_at, "expires_at": session.expires_at}
    token = UserAccessToken.for_session(session, **times)
    assert refusal(ask(None, Authorization=f"Bearer {token}")) == BAD_TOKEN


# --- what a gateway asks for ------------------------------------------------------------------------


@zap
def test_a_token_passes_if_app_level_and_role_are_those_asked_for(phone, subtests):
    User.objects.filter(pk=phone.user_id).update(role_id="a nurse/é")
    own, name = session_of(phone).app_id, "ZAP"
    passing = [
        *(f"?app={own}", f"?app={name}", f"?app={NOBODY}&app={own}", "?level=user", "?role=a+nurse/%C3%A9"),
        *("?role=x&role=a%20nurse%2F%C3%A9", f"?level=user&app={name}&role=a+nurse/%c3%a9"),
        *(f";app={own}", f";app={NOBODY};app={own}/x?app={NOBODY}", ";level=user", f";level=user;app={own}/a;app=b"),
        *(f"/x?app={NOBODY}", "/x?level=none&&&=", ";?x=y", ";/?x=y", f";app={own}/?level=x", f"/;app={NOBODY}"),
    ]
    refused = [
        *(
            f"?app={NOBODY}",
            "?app=zap",
            "?app=Other",
            f"?app={own.upper()}x",
            f"?app={own}&level=user&role=x",
            "?role=a",
        ),
        *(f";app={NOBODY}", f";app={NOBODY}/x?app={own}", ";role=a/x", f"/?app={NOBODY}", "?role=a+nurse"),
    ]
    for asked in passing:
        with subtests.test(passes=asked):
            assert ask(phone, f"/verify{asked}").status == 200
    for asked in refused:
        with subtests.test(refused=asked):
            assert refusal(ask(phone, f"/verify{asked}")) == WRONG


@zap
def test_an_app_whose_name_is_the_id_of_another_one_is_not_taken_for_it(phone):
    session = session_of(phone)
    App.objects.filter(pk=session.app_id).update(name=NOBODY)
    with mock.patch("django.conf.settings.ZAP_APP", NOBODY):
        assert refusal(ask(phone, f"/verify?app={NOBODY}")) == WRONG


MISTAKES = {
    "?leve=user": "`leve`",
    "?level=admin": "`level`",
    "?level=user&level=user": "`level`",
    "?level=user&level=app": "`level`",
    "?level=": "`level`",
    "?level": "read",
    "?app=": "`app`",
    "?app=ZAP&": "read",
    "?app=ZAP&page=2": "`page`",
    "?app=%ff": "read",
    "?" + "app=ZAP&" * 500 + "app=ZAP": "long",
    "?APP=ZAP": "`APP`",
    "?=x": "can't be shown",
    "?eyJhbGciOiJFUzI1NiJ9.x=1": "can't be shown",
    "/?x=1": "`x`",
    ";app=ZAP": "id of an app",
    ";level": "read",
    ";level=": "`level`",
    ";level=user;": "read",
    ";;": "read",
    ";role=a%20b/x": "read",
    ";app={own}%3Blevel": "read",
    ";user=1/x": "`user`",
}


@zap
@pytest.mark.parametrize("asked", MISTAKES, ids=lambda text: text[:30])
def test_a_mistake_of_the_operator_refuses_everybody_and_is_named_in_the_log_once(phone, asked, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert refusal(ask(phone, "/verify" + asked.format(own=session_of(phone).app_id))) == WRONG
    assert refusal(ask(None, "/verify" + asked)) == (401, "token_missing")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "zapauth.gate"]
    assert MISTAKES[asked] in line
    assert "eyJ" not in line


# --- the headers for the service behind the gateway -------------------------------------------------


@zap
@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("nurse-1.b_c~d:e/f@g", "nurse-1.b_c~d:e/f@g"),
        ("a\r\nX-User-Id: 1", "a%0D%0AX-User-Id:%201"),
        ("é", "%C3%A9"),
        ("100%,\"'\\;=\t", "100%25%2C%22%27%5C%3B%3D%09"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_role_can_hide_nothing_in_its_header(phone, role, sent):
    User.objects.filter(pk=phone.user_id).update(role_id=role)
    reply = ask(phone)
    assert reply.headers["x-role-id"] == sent
    assert reply.json["extra"]["role"] == (role or None)


def header_names(text, monkeypatch):
    monkeypatch.setenv("GATE_HEADERS", text)
    return Environment().headers("GATE_HEADERS", OURS)


@zap
def test_headers_have_the_names_of_the_setting_and_are_left_out_if_it_is_empty(phone, settings, monkeypatch):
    assert header_names("", monkeypatch) == {name: name for name in OURS}
    names = header_names("X-User-Id = X-Forwarded-User, Remote-User=,X-App-Id=", monkeypatch)
    settings.GATE_HEADERS = names
    headers = ask(phone).headers
    assert headers["x-forwarded-user"] == phone.user_id
    assert not {"x-user-id", "remote-user", "x-app-id"} & headers.keys()
    assert {"x-session-id", "x-role-id"} <= headers.keys()
    # Two headers may swap their names.
    swapped = header_names("X-User-Id=Remote-User,Remote-User=X-User-Id", monkeypatch)
    assert swapped["X-User-Id"] == "Remote-User"


@pytest.mark.parametrize(
    "text",
    [
        *("X-User-Id", "X-Nothing=X", "=X", "x-user-id=X", "X-User-Id=Remote-User", "X-User-Id=remote-user"),
        *("X-User-Id=X Y", "X-User-Id=X\r\nSet-Cookie: a", "X-User-Id=X:", "X-User-Id=X_User", "X-User-Id=é"),
        *("X-User-Id=Connection", "X-User-Id=TRANSFER-ENCODING", "X-User-Id=WWW-Authenticate", "X-User-Id=Host"),
        *("X-User-Id=X-Request-ID", "X-User-Id=Authorization", "X-User-Id=Set-Cookie", "X-User-Id=X-Forwarded-For"),
        *("X-User-Id=X-A,X-App-Id=x-a", "X-User-Id=X-Accel-Redirect", "X-User-Id=X-Session-Checked"),
        "X-User-Id=" + "X" * 65,
    ],
)
def test_names_that_would_do_harm_are_refused_at_the_start(text, monkeypatch):
    with pytest.raises(ImproperlyConfigured, match="GATE_HEADERS"):
        header_names(text, monkeypatch)


# --- apps whose clients sign ------------------------------------------------------------------------


@pytest.fixture
def signed(new_phone):
    """A device of a signed app, with a function that signs as the documentation describes it."""
    new = create_app("Signed", signed=True)
    phone = new_phone(app_id=new.app.pk, app_key=new.key)
    assert phone.register_device().status == 201

    def sign(method, path):
        text = f"{method}\n{new.app.pk}\n{path}"
        return hmac.new(new.shared_secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def send(path, *, signature="", **given):
        return ask(None, path, Authorization=f"Buddy {phone.app_token} {signature}", **given)

    return sign, send


@buddy
def test_a_token_of_a_signed_app_needs_the_signature_of_the_clients_own_request(signed):
    sign, send = signed
    good, told = sign("POST", "/orders/é"), {"X_Forwarded_Method": "POST", "X_Forwarded_Uri": "/orders/%C3%A9?a=b"}
    assert send("/verify", signature=good, **told).status == 200
    assert send("/verify;level=user/x", signature=good, method="POST").status == 401
    assert send("/verify/orders/é", signature=good, method="POST").status == 200
    assert send("/verify;/orders/%C3%A9?a=b", signature=good, method="POST").status == 200
    assert send("/verify", signature=sign("GET", "/verify")).status == 401


@buddy
def test_a_token_of_a_signed_app_is_refused_without_the_signature_or_without_the_request(signed, subtests):
    sign, send = signed
    good, told = sign("POST", "/orders"), {"X_Forwarded_Method": "POST", "X_Forwarded_Uri": "/orders"}
    refused = {
        "no signature": send("/verify", **told),
        "a wrong one": send("/verify", signature="0" * 64, **told),
        "of another path": send("/verify", signature=sign("POST", "/order"), **told),
        "of another method": send("/verify", signature=sign("GET", "/orders"), **told),
        "no request": send("/verify", signature=good),
        "half a request": send("/verify", signature=good, X_Forwarded_Uri="/orders"),
        "headers of the client": send("/verify/other", signature=good, method="POST", **told),
        "no signature below": send("/verify/orders", method="POST"),
    }
    for name, reply in refused.items():
        with subtests.test(name=name):
            assert refusal(reply) == BAD_TOKEN
            assert "signature" in reply.json["error_description"]


# --- without the database, and with a bug of ours -------------------------------------------------------


def broken(cause):
    error = OperationalError("no database")
    error.__cause__ = cause
    return mock.patch("sessions.authentication.find_session", side_effect=error)


AWAY = [CannotConnect("gone"), AdminShutdown(), None]
BUSY = [PoolTimeout("all are in use"), LockNotAvailable(), QueryCanceled()]


@zap
@pytest.mark.parametrize("cause", AWAY + BUSY, ids=lambda cause: type(cause).__name__)
def test_without_the_database_the_gate_is_closed(phone, cause):
    with broken(cause):
        assert refusal(ask(phone)) == CLOSED
        assert refusal(ask(phone, token="x.y.z")) == BAD_TOKEN
        assert refusal(ask(None)) == (401, "token_missing")
    assert ask(phone).status == 200


@zap
@pytest.mark.parametrize("cause", BUSY, ids=lambda cause: type(cause).__name__)
def test_a_database_that_is_only_busy_opens_no_gate(phone, cause, settings):
    settings.GATE_WITHOUT_DATABASE = "accept"
    with broken(cause):
        assert refusal(ask(phone)) == CLOSED


@zap
@pytest.mark.parametrize("cause", AWAY, ids=lambda cause: type(cause).__name__)
def test_a_gate_that_is_open_without_the_database_says_so(phone, cause, settings, caplog):
    settings.GATE_WITHOUT_DATABASE = "accept"
    User.objects.filter(pk=phone.user_id).update(role_id="nurse")
    before = ask(phone)
    with broken(cause):
        replies = [ask(phone) for _ in range(3)]
    assert {reply.status for reply in replies} == {200}
    after = replies[0]
    same = ("x-user-id", "x-session-id", "x-app-id", "remote-user")
    assert [after.headers[name] for name in same] == [before.headers[name] for name in same]
    assert after.headers["x-session-checked"] == "no"
    assert after.headers["x-role-id"] == ""
    assert after.json["extra"] == before.json["extra"] | {"role": None, "checked": False}
    assert len([record for record in caplog.records if record.name == "zapauth.gate"]) == 1


def test_an_open_gate_checks_what_the_token_itself_says(new_phone, settings):
    settings.GATE_WITHOUT_DATABASE = "accept"
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        own, name = session_of(phone).app_id, session_of(phone).app.name
        with broken(None):
            assert ask(phone, f"/verify?app={own}&level=user").status == 200
            assert ask(phone, f"/verify?app=x&app={own}").status == 200
            assert refusal(ask(phone, f"/verify?app={NOBODY}")) == WRONG
            # Neither the name of an app nor a role is in a token.
            assert refusal(ask(phone, f"/verify?app={name}")) == CLOSED
            assert refusal(ask(phone, "/verify?role=nurse")) == CLOSED
            assert refusal(ask(phone, "/verify?role=nurse&x=1")) == WRONG
            assert refusal(ask(phone, token=Genuine(phone.access_token).joined(b"x" * 64))) == BAD_TOKEN
            clock.move_to(UserAccessToken.read(phone.access_token).expires_at)
            assert refusal(ask(phone)) == BAD_TOKEN


@buddy
def test_an_open_gate_knows_an_app_level_token(new_phone, settings):
    settings.GATE_WITHOUT_DATABASE = "accept"
    phone = new_phone()
    phone.register_device()
    with broken(None):
        reply = ask(phone, token=phone.app_token)
        assert (reply.status, reply.headers["x-user-id"]) == (200, "")
        assert reply.json["subject"] == phone.app_id
        assert refusal(ask(phone, "/verify?level=user", token=phone.app_token)) == WRONG


@zap
@pytest.mark.parametrize("choice", ["refuse", "accept"])
@pytest.mark.parametrize("place", ["find_session", "options_of", "answers.passed", "pass_token"])
def test_a_bug_of_ours_closes_the_gate_and_is_logged(phone, place, choice, settings, caplog):
    settings.GATE_WITHOUT_DATABASE = choice
    with failing(f"zapauth.gate.middleware.{place}", caplog) as logged:
        reply = ask(phone, X_Request_ID="abc")
    assert refusal(reply) == CLOSED
    assert "secret" not in reply.text
    assert logged == [("ERROR", "abc", "the inner secret")]
