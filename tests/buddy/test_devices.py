"""`POST /devices` and `PATCH /devices/current`: devices, app-level tokens and push addresses."""

import pytest

from sessions.models import Session
from tests.bad_input import buddy_error, buddy_success
from tests.phones import BuddyPhone, InProcess, address_in, pushes_of
from users.models import Device, DeviceToken

pytestmark = pytest.mark.only("buddy")
NO_USER = (403, "AuthUserAccessTokenRequired")


def register(phone, **fields):
    good = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
    return phone.call("POST", "/devices", good | fields)


def change(phone, **fields):
    return phone.ask("PATCH", "/devices/current", fields)


# --- POST /devices -------------------------------------------------------------------------------


def test_post_devices_answers_201_and_an_app_level_token_for_this_device(new_phone):
    phone = new_phone()
    answer = phone.register_device()
    assert (answer.status, answer.json["status"]) == (201, 201)
    assert answer.json["result"].keys() == {"accessToken", "accessTokenExpires"}
    assert buddy_error(phone.me(phone.app_token)) == NO_USER
    device = buddy_success(phone.call("PATCH", "/devices/current", {}, token=phone.app_token))
    assert device["uniqueId"] == phone.unique_id


def test_post_devices_needs_no_token_and_minds_none(new_phone):
    phone = new_phone()
    for token in (None, "garbage"):
        body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
        assert phone.call("POST", "/devices", body, token=token).status == 201


def test_post_devices_stores_all_that_clients_send(new_phone):
    phone = new_phone()
    described = {"model": "Pixel", "osVersion": "15", "appVersion": "1.0", "connectionType": "wifi", "tag": "t"}
    assert (
        register(phone, **described, uniqueId="1", pushToken="push", location="1,2", isProduction="true").status == 201
    )
    device = Device.objects.get()
    assert (device.model, device.os_version, device.app_version) == ("Pixel", "15", "1.0")
    assert (device.connection_type, device.tag, device.is_production) == ("wifi", "t", True)
    assert (device.app_id, device.unique_id, device.platform) == (phone.app_id, "1", "Android")
    assert (device.latitude, device.longitude) == (1.0, 2.0)
    assert DeviceToken.objects.get().device == device


@pytest.mark.parametrize("name", ["pushToken", "DeviceToken"])
def test_the_push_token_is_called_device_token_by_the_ios_client(new_phone, name):
    phone = new_phone()
    phone.app_token = register(phone, **{name: "push"}).json["result"]["accessToken"]
    assert address_in(DeviceToken.objects.get()) == "push"
    phone.sign_up()
    assert pushes_of(phone.user_id) == ["push"]


def test_registering_again_with_the_same_unique_id_is_the_same_device_brought_up_to_date(new_phone):
    phone = new_phone()
    assert register(phone, uniqueId="1", model="Pixel", osVersion="14").status == 201
    assert register(phone, uniqueId="1", osVersion="15").status == 201
    device = Device.objects.get()
    assert (device.model, device.os_version) == ("Pixel", "15")


def test_the_same_unique_id_of_another_app_is_another_device(new_phone):
    for phone in (new_phone(), new_phone()):
        assert register(phone, uniqueId="1").status == 201
    assert Device.objects.count() == 2


def test_a_device_without_a_unique_id_is_a_new_one_each_time(new_phone):
    phone = new_phone()
    for unique_id in (None, ""):
        assert register(phone, uniqueId=unique_id).status == 201
    assert Device.objects.count() == 2


def test_service_root_is_answered_only_where_a_setting_names_one(new_phone, settings):
    assert "serviceRoot" not in register(new_phone()).json["result"]
    settings.SERVICE_ROOT = "https://eu.example.org"
    assert register(new_phone()).json["result"]["serviceRoot"] == "https://eu.example.org"


def test_post_devices_is_auth_failed_and_a_429_with_retry_after_for_too_many_from_one_address(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"device": (2, 600)}
    phone = new_phone()
    assert [register(phone, appKey=key).status for key in (phone.app_key, "wrong")] == [201, 401]
    refused = register(phone)
    assert (refused.status, refused.json["error"], refused.json["errorNumber"]) == (429, "AuthFailed", 256)
    assert 590 <= int(refused.headers["retry-after"]) <= 600
    assert Device.objects.count() == 1


# --- PATCH /devices/current ----------------------------------------------------------------------


def test_patch_devices_current_answers_the_device_an_object_without_its_push_address(new_phone):
    phone = new_phone(device_token="secret").sign_up()
    fields = {"osVersion": "16", "appVersion": "2", "tag": "t", "isProduction": False}
    device = buddy_success(change(phone, **fields, location="1.5,-2", pushToken="secret"))
    stored = Device.objects.get()
    assert device == fields | {
        "id": stored.pk,
        "uniqueId": phone.unique_id,
        "platform": "Android",
        "location": {"lat": 1.5, "lng": -2.0},
        "created": device["created"],
        "lastModified": device["lastModified"],
    }
    assert (stored.os_version, stored.is_production) == ("16", False)


def test_patch_devices_current_changes_only_what_it_names(new_phone):
    phone = new_phone(device_token="push").sign_up()
    before = buddy_success(change(phone, osVersion="16", tag="t"))
    after = buddy_success(change(phone, appVersion="2"))
    assert after == before | {"appVersion": "2", "lastModified": after["lastModified"]}
    assert pushes_of(phone.user_id) == ["push"]


@pytest.mark.parametrize("level", ["app_token", "access_token"])
def test_patch_devices_current_takes_a_token_of_either_level(new_phone, level):
    phone = new_phone()
    phone.register_device()
    if level == "access_token":
        phone.sign_up()
    answer = phone.call("PATCH", "/devices/current", {"tag": "t"}, token=getattr(phone, level))
    assert buddy_success(answer)["tag"] == "t"


def test_what_a_form_leaves_empty_and_cannot_be_empty_is_left_out(new_phone):
    phone = new_phone().sign_up()
    change(phone, isProduction=True, location="1,2")
    headers = {"Authorization": f"Buddy {phone.access_token}", "Content-Type": "application/x-www-form-urlencoded"}
    device = phone.send("PATCH", "/devices/current", headers=headers, content="isProduction=&location=").json["result"]
    assert (device["isProduction"], device["location"]) == (True, {"lat": 1.0, "lng": 2.0})


def test_an_empty_tag_or_version_takes_the_old_one_away(new_phone):
    phone = new_phone().sign_up()
    change(phone, tag="t", osVersion="15")
    assert not {"tag", "osVersion"} & buddy_success(change(phone, tag="", osVersion="")).keys()


# --- push addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pushToken", "pushtoken", "DeviceToken"])
def test_a_new_push_token_that_the_user_brings_takes_the_old_ones_place(new_phone, name):
    phone = new_phone(device_token="old").sign_up()
    assert change(phone, **{name: "new"}).status == 200
    assert pushes_of(phone.user_id) == ["new"]
    assert [address_in(held) for held in Device.objects.get().device_tokens.all()] == ["new"]
    phone.log_out()
    assert pushes_of(phone.user_id) == []
    phone.log_in(phone.username)  # with the token of the registration
    assert pushes_of(phone.user_id) == ["new"]


def test_a_new_push_token_of_a_device_where_nobody_is_logged_in_is_the_next_users(new_phone):
    phone = new_phone(device_token="old")
    phone.register_device()
    assert phone.call("PATCH", "/devices/current", {"pushToken": "new"}, token=phone.app_token).status == 200
    assert [address_in(held) for held in Device.objects.get().device_tokens.all()] == ["new"]
    phone.sign_up()
    assert pushes_of(phone.user_id) == ["new"]


def test_an_empty_push_token_takes_the_token_away(new_phone):
    phone = new_phone(device_token="push").sign_up()
    assert change(phone, pushToken="").status == 200
    assert pushes_of(phone.user_id) == []
    assert not Device.objects.get().device_tokens.exists()
    phone.log_out()
    phone.log_in(phone.username)
    assert pushes_of(phone.user_id) == []


def test_knowing_a_unique_id_does_not_bring_a_strangers_pushes_onto_ones_phone(new_phone):
    phone = new_phone(device_token="hers", unique_id="known").sign_up()
    phone.log_out()
    credentials = {"app_id": phone.app_id, "app_key": phone.app_key}
    stranger = BuddyPhone(InProcess(), device_token="his", unique_id="known", **credentials)
    stranger.register_device()
    phone.log_in(phone.username)
    assert pushes_of(phone.user_id) == ["hers"]


def test_an_app_level_session_cannot_take_a_push_address_from_a_user_on_another_device(new_phone):
    phone, stranger = new_phone(device_token="hers").sign_up(), new_phone()
    stranger.register_device()
    stranger.call("PATCH", "/devices/current", {"pushToken": "hers"}, token=stranger.app_token)
    assert pushes_of(phone.user_id) == ["hers"]


# --- levels of token -----------------------------------------------------------------------------


def test_an_app_level_token_stands_for_an_app_on_a_device_with_no_user(new_phone):
    phone = new_phone()
    phone.register_device()
    session = Session.objects.get()
    assert (session.user, session.app_id, session.device) == (None, phone.app_id, Device.objects.get())


def test_a_user_level_token_stands_for_a_user_on_that_device(new_phone):
    phone = new_phone().sign_up()
    session = Session.objects.get(user=phone.user_id)
    assert (session.app_id, session.device) == (phone.app_id, Device.objects.get())
    assert buddy_success(change(phone, tag="t"))["id"] == session.device_id


def test_the_app_level_token_of_the_registration_stays_valid_through_a_login_and_afterwards(new_phone):
    phone = new_phone().sign_up()
    tag = {"tag": "still here"}
    assert phone.log_in(phone.username).status == 200
    phone.log_out()
    assert phone.call("PATCH", "/devices/current", tag, token=phone.app_token).status == 200
    assert phone.log_in(phone.username).status == 200
