"""Buddy's envelope, in one valid call of each route. Some clients can't read null, a bare list or a repeated key."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from sessions.tokens.jwt import UserAccessToken
from tests.bad_input import LIMIT, UUID
from tests.phones import PASSWORD, BuddyPhone, InProcess, new_name, promote, reset_code_in
from users.models import User
from zapauth.buddy.urls import urlpatterns

pytestmark = pytest.mark.only("buddy")
WIRE_DATE = re.compile(r"/Date\((-?\d+)\)/")


@pytest.fixture
def answers(new_phone, mailoutbox):
    """Make one valid call of each route. Returns the answers by method and route."""

    def all_of(slash=""):
        replies = {}

        def ask(method, route, body=None, *, token=None, user_id=""):
            path = route.replace(":user_id", user_id) + slash
            replies[method, route] = phone.call(method, path, body, token=token)
            return replies[method, route].json["result"]

        phone, name = new_phone(), new_name()
        credentials = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
        app = ask("POST", "/devices", credentials)["accessToken"]
        ask("PATCH", "/devices/current", {"tag": "t", "location": "1,2"}, token=app)
        ask("POST", "/devices/current/crashreports", {"stackTrace": "at Main()"}, token=app)
        person = {"username": name, "password": PASSWORD, "email": f"{name}@example.org", "location": "1,2"}
        made = ask("POST", "/users", person | {"gender": "male", "dateOfBirth": "1990-03-05"}, token=app)
        user = ask("POST", "/users/login", {"username": name, "password": PASSWORD}, token=app)["accessToken"]
        ask("GET", "/users/:user_id", token=user, user_id=made["id"])
        ask("PATCH", "/users/:user_id", {"tag": "t"}, token=user, user_id="me")
        ask("GET", "/users", token=user)
        ask("POST", "/users/me/logout", token=user)
        ask("POST", "/users/password", {"userName": name}, token=app)
        reset = {"userName": name, "resetCode": reset_code_in(mailoutbox[-1]), "newPassword": PASSWORD}
        ask("PATCH", "/users/password", reset, token=app)
        user = ask("POST", "/users/login", {"username": name, "password": PASSWORD}, token=app)["accessToken"]
        ask("DELETE", "/users/:user_id", token=user, user_id="me")
        ask("GET", "/service/ping")
        return replies

    return all_of


def routes():
    """Each method and path of the url patterns, with parameters as in the documentation."""
    for pattern in urlpatterns:
        path = re.sub(r"\(\?P<(\w+)>[^)]+\)", r":\1", pattern.pattern.regex.pattern).strip("^$").removesuffix("/?")
        for method, action in pattern.callback.actions.items():
            if method != "head" and action != "http_method_not_allowed":
                yield method.upper(), f"/{path}"


def objects_in(value):
    """Yield ``value`` and every object within it."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


def test_every_route_is_among_the_answers_that_these_tests_look_at(answers):
    assert set(answers()) == set(routes())


def test_a_success_is_status_result_request_id_and_success_true_on_every_route(answers):
    for route, reply in answers().items():
        assert reply.json.keys() == {"status", "result", "request_id", "success"}, route
        assert reply.json["success"] is True, route
        assert UUID.fullmatch(reply.json["request_id"]), route
        assert reply.json["request_id"] == reply.headers["x-request-id"], route


def test_status_repeats_the_http_status_on_every_route(answers):
    created = [("POST", "/devices"), ("POST", "/devices/current/crashreports")]
    for route, reply in answers().items():
        assert reply.status == reply.json["status"] == (201 if route in created else 200), route


def test_the_content_type_is_application_json_to_the_letter_on_every_route(answers):
    assert {reply.headers["content-type"] for reply in answers().values()} == {"application/json"}


def test_a_result_is_an_object_or_a_plain_value_never_null_and_never_a_bare_list(answers):
    for route, reply in answers().items():
        result = reply.json["result"]
        assert isinstance(result, dict) or result in (True, "Pong"), route
        assert result not in ({}, ""), route


def test_what_there_is_no_value_for_is_left_out_rather_than_null(answers, new_phone):
    bare = new_phone().sign_up()
    change = bare.call("PATCH", "/devices/current", {}, token=bare.access_token)
    for reply in (*answers().values(), bare.me(), change):
        assert not any(value is None for found in objects_in(reply.json) for value in found.values()), reply
    assert bare.me().json["result"].keys() == {"id", "userName", "lastLogin", "created", "lastModified"}


def test_no_object_has_keys_that_differ_only_in_case(answers):
    objects = []
    for reply in answers().values():
        # Pairs, because a dictionary would hide a repeated key.
        json.loads(reply.text, object_pairs_hook=lambda pairs: objects.append([name for name, _ in pairs]))
    assert len(objects) > len(list(routes()))
    for names in objects:
        assert len({name.lower() for name in names}) == len(names)


def test_tokens_and_ids_are_free_of_percent_signs_and_blanks(answers, new_phone):
    replies = answers()
    staff = promote(new_phone().sign_up(), "users.view_user")
    User.objects.bulk_create(User(username=new_name()) for _ in range(3))
    replies["staff"] = staff.ask("GET", "/users?limit=1")
    replies["staff, back"] = staff.ask("GET", f"/users?pagingToken={replies['staff'].json['result']['nextToken']}")
    named = {"id", "accessToken", "currentToken", "nextToken", "previousToken"}
    seen = {}
    for reply in replies.values():
        for found in objects_in(reply.json["result"]):
            seen |= {name: found[name] for name in named & found.keys()}
            assert not any(re.search(r"[%\s]", found[name]) for name in named & found.keys()), reply
    assert seen.keys() == named


@pytest.mark.parametrize("at", ["2026-03-01T00:00:00.250999Z", "2015-02-03T22:23:38.900Z"])
def test_times_are_milliseconds_since_1970_in_utc(new_phone, settings, at):
    with time_machine.travel(at, tick=False):
        phone = new_phone().sign_up()
        user = phone.log_in(phone.username).json["result"]
        now = datetime.now(UTC)
    milliseconds = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert user["created"] == user["lastLogin"] == f"/Date({milliseconds})/"
    # An `exp` has whole seconds. The answer has the same time as the token.
    expires = int(WIRE_DATE.fullmatch(user["accessTokenExpires"])[1])
    assert expires == int((now + settings.SESSION_LIFETIME).timestamp()) * 1000


def test_the_time_that_a_token_expires_is_the_one_at_which_it_does(new_phone, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        told = int(WIRE_DATE.fullmatch(phone.last.json["result"]["accessTokenExpires"])[1]) / 1000
        assert UserAccessToken.read(phone.access_token).expires_at.timestamp() == told
        clock.move_to(told - 1)
        assert phone.me().status == 200
        clock.move_to(told)
        assert phone.me().status == 401


def test_a_time_before_1970_such_as_a_date_of_birth_is_negative(new_phone):
    phone = new_phone().sign_up()
    assert phone.ask("PATCH", "/users/me", {"dateOfBirth": "1969-12-31T23:59:59Z"}).status == 200
    assert phone.me().json["result"]["dateOfBirth"] == "/Date(-1000)/"


def test_an_error_is_status_error_error_number_message_request_id_and_success_false(new_phone):
    refused = new_phone().call("GET", "/users/me")
    assert refused.headers["content-type"] == "application/json"
    assert UUID.fullmatch(refused.json["request_id"])
    assert refused.json == {
        "status": 401,
        "error": "AuthAccessTokenInvalid",
        "errorNumber": 260,
        "message": "The access token is missing, invalid or expired, or its session has ended.",
        "request_id": refused.headers["x-request-id"],
        "success": False,
    }


def test_a_trailing_slash_is_the_same_path_on_every_route(answers):
    without, with_slash = answers(), answers("/")
    assert [(route, reply.status) for route, reply in with_slash.items()] == [
        (route, reply.status) for route, reply in without.items()
    ]


def test_no_answer_has_a_status_that_the_ios_client_takes_for_no_internet(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (0, 600), "login_known": (0, 600)}
    phone, other = new_phone().sign_up(), BuddyPhone(InProcess()).sign_up()
    authorization = {"Authorization": f"Buddy {phone.access_token}"}

    def with_body(content, kind="application/json"):
        headers = authorization | {"Content-Type": kind}
        return phone.send("PATCH", "/users/me", headers=headers, content=content)

    refused = [
        with_body("{"),
        with_body("tag=t", "text/plain"),
        with_body("x", "multipart/form-data"),
        with_body("{}".ljust(LIMIT + 1)),
        with_body(f'{{"username": "{other.username}"}}'),
        with_body('{"username": ""}'),
        with_body('{"email": "none"}'),
        phone.send("GET", "/users/me", headers=authorization | {"Accept": "text/html", "Range": "bytes=0-1"}),
        phone.send("GET", "/users/me", headers=authorization | {"If-None-Match": "*", "Expect": "nothing"}),
        phone.send("GET", "/users/me", headers={"Authorization": "Buddy x y z"}),
        phone.send("GET", "/users/me", headers={"Host": "evil.example"}),
        phone.send("PUT", "/users/me", headers=authorization),
        phone.ask("DELETE", f"/users/{other.user_id}"),
        phone.ask("GET", f"/users/{new_name()}"),
        phone.ask("POST", "/users/login", {"username": phone.username, "password": PASSWORD}),
    ]
    statuses = [reply.status for reply in refused]
    assert set(statuses) <= {200, 201, 400, 401, 402, 403, 404, 405, 500, 429}
    assert statuses.count(429) == 1  # with one exception: clients should wait before the next try
    assert refused[-1].headers["retry-after"]
