"""Device tokens in the database: stored encrypted, found by digest, decrypted only to send a push."""

from base64 import b64encode

import pytest
from django.db import connection

from sessions.management.demo_data import make_sessions, make_users
from tests.commands.terminal import manage
from tests.phones import SEED_DEVICE_TOKEN, BuddyPhone, InProcess, ZapPhone, device_token, promote, pushes_of
from tests.sessions.staff import browser_of, new_staff
from users.models import DeviceToken, User
from users.sealing import CannotUnseal, Purpose, unseal

MIGRATION = "0017_sealed_device_tokens"


def dump() -> str:
    """Return every row of every table as text, as in a dump of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = []
        for schema, table in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{schema}"."{table}" t')  # noqa: S608  # names from the catalogue
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def assert_not_stored(text: str) -> None:
    stored = dump()
    assert DeviceToken.digest_of(text).hex() in stored  # The dump contains device tokens.
    for form in (text, text.encode().hex(), b64encode(text.encode()).decode().rstrip("=")):
        assert form not in stored


def call_every_route_of_zap(text):
    phone = ZapPhone(InProcess(), device_token=text).sign_up()
    assert phone.log_out().status == 200
    assert phone.log_in(phone.username).status == 200
    staff = promote(ZapPhone(InProcess()).sign_up(), "users.view_user", "user_sessions.end_session")
    ended = staff.ask("PUT", f"/v1/users/logout/{phone.user_id}", {"deviceToken": text})
    assert ended.status == 200, ended
    assert phone.me().status == 401


def call_every_route_of_buddy(text):
    for name in ("pushToken", "DeviceToken"):
        phone = BuddyPhone(InProcess(), device_token=text).sign_up()
        described = {"platform": "iOS", "uniqueId": phone.unique_id, name: text}
        registered = phone.call("POST", "/devices", described | {"appId": phone.app_id, "appKey": phone.app_key})
        assert registered.status == 201
        assert phone.ask("PATCH", "/devices/current", {name: text}).status == 200
        assert phone.log_out().status == 200
        assert phone.log_in(phone.username).status == 200


@pytest.mark.parametrize("call_every_route", [call_every_route_of_zap, call_every_route_of_buddy])
def test_no_table_contains_a_device_token_that_a_client_sent(db, call_every_route):
    call_every_route(SEED_DEVICE_TOKEN)
    assert_not_stored(SEED_DEVICE_TOKEN)


def test_no_table_contains_a_device_token_that_an_operator_typed(db):
    phone = ZapPhone(InProcess(), device_token=SEED_DEVICE_TOKEN).sign_up()
    browser = browser_of(new_staff())
    assert browser.post("/admin/explain/", {"token": SEED_DEVICE_TOKEN}).status_code == 200
    assert browser.get("/admin/user_sessions/session/", {"q": SEED_DEVICE_TOKEN}).status_code == 200
    assert manage("logout --reason lost --device-token", SEED_DEVICE_TOKEN).code == 0
    assert phone.me().status == 401
    assert_not_stored(SEED_DEVICE_TOKEN)


# --- another SECRET_KEY --------------------------------------------------------------------------


@pytest.fixture
def change_key(settings):
    """Change SECRET_KEY. Keep the old key as a fallback, or lose it."""

    def change(*, is_kept: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if is_kept else []
        settings.SECRET_KEY = "a new one" * 8

    return change


def test_pushes_go_on_under_a_new_secret_key_as_long_as_the_old_one_is_a_fallback(new_phone, change_key):
    phone = new_phone(device_token="push").sign_up()
    change_key(is_kept=True)
    assert pushes_of(phone.user_id) == ["push"]


def test_without_the_key_pushes_stop_and_the_log_names_secret_key(new_phone, change_key, caplog):
    phone = new_phone(device_token="push").sign_up()
    change_key(is_kept=False)
    assert pushes_of(phone.user_id) == []
    (record,) = caplog.records
    assert (record.levelname, f"device token {device_token('push').pk}." in record.message) == ("ERROR", True)
    assert "neither SECRET_KEY nor SECRET_KEY_FALLBACKS" in record.message
    with pytest.raises(CannotUnseal, match="SECRET_KEY"):
        unseal(device_token("push").sealed_token, Purpose.DEVICE_TOKEN)


def test_an_address_that_cannot_be_opened_does_not_stop_the_pushes_to_the_others(new_phone, change_key):
    phone = new_phone(device_token="old").sign_up()
    change_key(is_kept=False)
    new_phone(device_token="new").log_in(phone.username)
    assert pushes_of(phone.user_id) == ["new"]


def test_without_the_key_a_user_logs_out(new_phone, change_key):
    phone = new_phone(device_token="push").sign_up()
    change_key(is_kept=False)
    assert phone.log_out().status == 200
    assert phone.me().status == 401
    assert device_token("push").user is None


@pytest.mark.only("zap")
def test_without_the_key_a_login_with_the_device_token_seals_it_anew(new_phone, change_key):
    phone = new_phone(device_token="push").sign_up()
    change_key(is_kept=False)
    assert phone.log_in(phone.username).status == 200
    assert pushes_of(phone.user_id) == ["push"]


@pytest.mark.only("buddy")
def test_without_the_key_a_user_logs_in_on_a_device_and_gets_its_pushes_once_it_tells_its_address(
    new_phone, change_key
):
    phone, ben = new_phone(device_token="push").sign_up(), ZapPhone(InProcess()).sign_up()
    phone.log_out()
    change_key(is_kept=False)
    assert phone.log_in(ben.username).status == 200
    assert (device_token("push").user_id, pushes_of(ben.user_id)) == (ben.user_id, [])
    assert phone.ask("PATCH", "/devices/current", {"pushToken": "push"}).status == 200
    assert pushes_of(ben.user_id) == ["push"]
    assert phone.ask("PATCH", "/devices/current", {"pushToken": "another"}).status == 200
    assert pushes_of(ben.user_id) == ["another"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_device_token_is_found_whatever_the_secret_key(new_phone, change_key, is_kept):
    phone = new_phone(device_token="push").sign_up()
    change_key(is_kept=is_kept)
    page = browser_of(new_staff()).get("/admin/users/devicetoken/", {"q": "push"})
    assert [held.pk for held in page.context["cl"].result_list] == [device_token("push").pk]
    explained = manage("explain", "push")
    assert (explained.code, explained.out.splitlines()[0]) == (0, "device token (a push address): accepted")
    assert manage("logout --reason lost --device-token", "push").code == 0
    assert phone.me().status == 401
    assert device_token("push").user is None


def test_demo_device_tokens_open_to_the_same_text_and_have_digests_of_their_own(db):
    list(make_users(5))
    list(make_sessions(40, users=5))
    held = list(DeviceToken.objects.all())
    assert len({row.digest for row in held}) == len(held) > 1
    assert {address for user in User.objects.all() for address in pushes_of(user.pk)} == {"demo"}
