"""Apps with a shared secret. The server signs the answer to a registration, the client each request with a token."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, new_name
from users.clients import create_app
from users.models import App

pytestmark = pytest.mark.only("buddy")
INVALID_SIGNATURE = (401, "AuthSignatureInvalid")


@pytest.fixture
def signed_app(db):
    return create_app("Signed", signed=True)


@pytest.fixture
def phone(new_phone, signed_app):
    """A registered device of the signed app."""
    phone = new_phone(app_id=signed_app.app.pk, app_key=signed_app.key)
    assert phone.register_device().status == 201
    return phone


@pytest.fixture
def sign(signed_app):
    """Sign as the documentation describes it, without the server's code."""

    def signature(text):
        return hmac.new(signed_app.shared_secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    return signature


def send(phone, method, path, signature="", *, token=None, content=None):
    headers = {"Authorization": f"Buddy {token or phone.app_token} {signature}", "Content-Type": "application/json"}
    return phone.send(method, path, headers=headers, content=content)


def test_post_devices_answers_server_signature_the_hmac_of_app_key_and_newline(phone, signed_app, sign):
    assert phone.last.json["result"]["serverSignature"] == sign(f"{signed_app.key}\n")


def test_an_app_without_a_secret_gets_no_server_signature_and_needs_none(new_phone):
    phone = new_phone()
    assert "serverSignature" not in phone.register_device().json["result"]
    assert send(phone, "PATCH", "/devices/current", "anything").status == 200


def test_a_registration_and_a_ping_carry_no_token_and_need_no_signature(phone):
    assert phone.register_device().status == 201
    assert phone.call("GET", "/service/ping").status == 200


def test_every_request_with_a_token_carries_the_hmac_of_method_app_id_and_path(phone, signed_app, sign):
    app_id = signed_app.app.pk
    login = f'{{"username": "{(name := new_name())}", "password": "{PASSWORD}"}}'

    def ask(method, path, *, token=None, content=None):
        refused = send(phone, method, path, token=token, content=content)
        assert buddy_error(refused) == INVALID_SIGNATURE, path
        signature = sign(f"{method}\n{app_id}\n{path}")
        return buddy_success(send(phone, method, path, signature, token=token, content=content))

    ask("PATCH", "/devices/current")
    ask("POST", "/users", content=login)
    ask("POST", "/users/password", content=f'{{"userName": "{name}"}}')
    user = ask("POST", "/users/login", content=login)
    for path in ("/users/me", "/users", f"/users/{user['id']}"):
        ask("GET", path, token=user["accessToken"])
    ask("PATCH", "/users/me", token=user["accessToken"])
    fresh = ask("POST", "/users/me/logout", token=user["accessToken"])["accessToken"]
    ask("PATCH", "/devices/current", token=fresh)
    ask("DELETE", "/users/me", token=ask("POST", "/users/login", token=fresh, content=login)["accessToken"])


def test_the_signed_path_has_its_leading_slash_and_no_query(phone, signed_app, sign):
    app_id = signed_app.app.pk
    good = sign(f"PATCH\n{app_id}\n/devices/current")
    assert send(phone, "PATCH", "/devices/current?x=1", good).status == 200
    with_query = sign(f"PATCH\n{app_id}\n/devices/current?x=1")
    assert buddy_error(send(phone, "PATCH", "/devices/current?x=1", with_query)) == INVALID_SIGNATURE
    without_slash = sign(f"PATCH\n{app_id}\ndevices/current")
    assert buddy_error(send(phone, "PATCH", "/devices/current", without_slash)) == INVALID_SIGNATURE


def test_a_path_with_a_trailing_slash_is_signed_as_it_was_sent(phone, signed_app, sign):
    signature = sign(f"PATCH\n{signed_app.app.pk}\n/devices/current/")
    assert send(phone, "PATCH", "/devices/current/", signature).status == 200


def test_a_signature_of_anything_else_is_refused(phone, signed_app, sign):
    app_id = signed_app.app.pk
    good = sign(f"PATCH\n{app_id}\n/devices/current")
    texts = [f"GET\n{app_id}\n/devices/current", f"PATCH\n{app_id}\n/users/me", "PATCH\nother\n/devices/current"]
    another = hmac.new(b"another", f"PATCH\n{app_id}\n/devices/current".encode(), hashlib.sha256).hexdigest()
    for wrong in ("", "0" * 64, good[:-1], good + "0", another, *map(sign, texts)):
        assert buddy_error(send(phone, "PATCH", "/devices/current", wrong)) == INVALID_SIGNATURE
    assert send(phone, "PATCH", "/devices/current", good).status == 200
    assert send(phone, "PATCH", "/devices/current", good.upper()).status == 200


def test_one_signature_is_good_for_any_token_query_and_body_at_any_time(phone, new_phone, signed_app, sign):
    """docs/security.md states this: only the method and the path of a request are signed."""
    signature = sign(f"PATCH\n{signed_app.app.pk}\n/devices/current")
    other = new_phone(app_id=signed_app.app.pk, app_key=signed_app.key)
    assert other.register_device().status == 201
    with time_machine.travel(datetime.now(UTC) + timedelta(days=80)):
        for token in (phone.app_token, other.app_token):
            for query, body in (("", ""), ("?a=1", '{"pushToken": "another"}')):
                buddy_success(send(phone, "PATCH", f"/devices/current{query}", signature, token=token, content=body))


def test_server_signature_is_the_same_in_each_answer(new_phone, signed_app):
    phones = [new_phone(app_id=signed_app.app.pk, app_key=signed_app.key) for _ in range(2)]
    assert len({phone.register_device().json["result"]["serverSignature"] for phone in phones}) == 1


def test_a_missing_signature_does_not_hide_a_dead_token(phone, sign, signed_app):
    login = f'{{"username": "{new_name()}", "password": "{PASSWORD}"}}'
    signature = sign(f"POST\n{signed_app.app.pk}\n/users")
    user = buddy_success(send(phone, "POST", "/users", signature, content=login))
    logout = sign(f"POST\n{signed_app.app.pk}\n/users/me/logout")
    buddy_success(send(phone, "POST", "/users/me/logout", logout, token=user["accessToken"]))
    for signature in ("", logout):
        dead = send(phone, "POST", "/users/me/logout", signature, token=user["accessToken"])
        assert buddy_error(dead) == (401, "AuthAccessTokenInvalid")


def test_no_secret_of_an_app_is_kept_in_a_form_that_can_be_used(signed_app):
    stored = " ".join(str(value) for value in App.objects.filter(pk=signed_app.app.pk).values_list()[0])
    assert signed_app.key not in stored
    assert signed_app.shared_secret not in stored
