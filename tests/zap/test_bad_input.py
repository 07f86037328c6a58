"""Bad input in the ZAP dialect: the documented refusal, nothing changed, and the good token still good."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.auth.models import Permission
from hypothesis import given
from hypothesis import strategies as st

from tests.bad_input import (
    BOUNDED,
    FOREIGN_HOSTS,
    FOREIGN_TYPES,
    FORGERIES,
    LIMIT,
    MANY_FIELDS,
    METHODS,
    NO_OBJECT,
    NO_TEXT,
    NOT_JSON,
    ODD_ADDRESSES,
    ODD_HEADERS,
    ODD_JSON_TYPES,
    SANE_ID,
    UNSTORABLE,
    Call,
    Genuine,
    Untouched,
    arbitrary_bodies,
    bad_authorizations,
    everything,
    failing,
    is_documented,
    monstrous_authorizations,
    undone,
    zap_error,
    zap_fields,
    zap_success,
)
from tests.phones import PASSWORD, BuddyPhone, InProcess, new_name
from users.models import App, User

pytestmark = [pytest.mark.only("zap"), pytest.mark.usefixtures("_quick_hashing")]


@pytest.fixture
def _quick_hashing(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def phone(phone_kind, db):
    """A logged-in phone; there are another app and another user, too."""
    App.objects.create(name="Another")
    User.objects.create_user(new_name())
    return phone_kind(InProcess(), device_token="mine").sign_up()


@pytest.fixture
def untouched(phone):
    """Called after bad input: no row has changed. When all is over, the good token is still good."""
    yield Untouched()
    assert phone.me().status == 200, phone.last


def good(phone, route):
    """The good call of each route, by its name in these tests."""
    person = {
        "username": (new := new_name()),
        "email": f"{new}@example.org",
        "password": PASSWORD,
        "phoneNumber": "+4915112345678",
        "name": "Ann Lee",
        "roleId": 1,
        "referralCode": "friend",
    }
    login = {"identity": phone.username, "password": PASSWORD, "deviceToken": "x", "isApp": "true", "twoFaToken": "1"}
    by_email = {"email": f"{phone.username}@example.org", "password": PASSWORD}
    own = f"/v1/users/logout/{phone.user_id}"
    return {
        "register": Call(phone, "POST", "/v1/users", person),
        "login": Call(phone, "POST", "/v1/login", login),
        "login by email": Call(phone, "POST", "/v1/login", by_email),
        "refresh": Call(phone, "POST", "/v1/refresh", {"refreshToken": phone.refresh_token}),
        "own user": Call(phone, "GET", "/v1/users/token", token=phone.access_token),
        "logout": Call(phone, "PUT", own, {"deviceToken": "mine"}, phone.access_token),
        "web logout": Call(phone, "GET", own, token=phone.access_token),
    }[route]


REQUIRED = {
    "register": ["username", "email", "password"],
    "login": ["identity", "password"],
    "login by email": ["email", "password"],
    "refresh": ["refreshToken"],
    "logout": ["deviceToken"],
}
OPTIONAL = {"register": ["phoneNumber", "name"], "login": ["deviceToken"]}
WITH_BODY = list(REQUIRED)
WITH_TOKEN = ["own user", "logout", "web logout"]
ROUTES = [*WITH_BODY, "own user", "web logout"]
FIELDS = [(route, field) for route in WITH_BODY for field in REQUIRED[route] + OPTIONAL.get(route, [])]
REQUIRED_FIELDS = [(route, field) for route in WITH_BODY for field in REQUIRED[route]]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_calls_that_these_tests_break_are_good_with_and_without_a_trailing_slash(phone, route, slash):
    call = good(phone, route)
    zap_success(call.but(path=call.path + slash).send())


# --- fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "field"), FIELDS)
def test_a_field_that_is_no_text_or_cannot_be_stored_is_named(phone, untouched, subtests, route, field):
    for value in (0, 7, -1.5, 10**4000, *NO_TEXT, *UNSTORABLE, "x" * 100_000, "\0" * 10_000, "é" * 5000):
        with subtests.test(value=repr(value)[:30]):
            reply = good(phone, route).with_fields(**{field: value}).send()
            assert zap_fields(reply) == (400, "invalid_request", [field])
            untouched()


@pytest.mark.parametrize(("route", "field"), REQUIRED_FIELDS)
def test_a_required_field_that_is_left_out_empty_or_misspelt_is_named(phone, untouched, subtests, route, field):
    call, rest = good(phone, route), good(phone, route).without(field)
    spellings = [field + "\0", field + "\ud800", "\ufeff" + field, field.upper(), f"{field}[]", f" {field}"]
    absent = {"left out": rest} | {repr(name): rest.with_fields(**{name: call.body[field]}) for name in spellings}
    empty = {"null": call.with_fields(**{field: None}), "empty": call.with_fields(**{field: ""})}
    if field != "password":  # whose blanks count
        empty["blank"] = call.with_fields(**{field: " \t\n"})
    # A login that has neither of the two names for it lacks the first one.
    lacking = "identity" if route == "login by email" and field == "email" else field
    for name, broken in (absent | empty).items():
        with subtests.test(field=name):
            named = lacking if name in absent else field
            assert zap_fields(broken.send()) == (400, "invalid_request", [named])
            untouched()


@pytest.mark.parametrize(
    ("route", "field", "values"),
    [
        ("register", "username", ["a", "a" * 21, "a b", "a-b", "añb", "٣٣", "a'--", "<b>", "a.b", "a@b.cd"]),
        ("register", "email", ["x", "x@", "@x.de", "x@y", "a b@x.de", "x" * 310 + "@example.org", "a@b.cd, e@f.gh"]),
        ("register", "password", ["short-1", "no-digit-here", "nospecial123", "       1", "-1" * 65]),
        ("register", "phoneNumber", ["", " ", "4915112345678", "+", "+1" + "0" * 15, "+49 151", "+٣٣", "++1"]),
        ("register", "name", ["x" * 151]),
        ("login", "identity", ["x" * 321]),
        ("login by email", "email", ["x" * 321]),
        ("login", "password", ["x" * 129]),
        ("login", "deviceToken", ["x" * 4097]),
        ("refresh", "refreshToken", ["x" * 4097]),
        ("logout", "deviceToken", ["x" * 4097, "é" * 4097]),
    ],
)
def test_a_value_out_of_its_bounds_is_refused_and_its_field_named(phone, untouched, subtests, route, field, values):
    for value in values:
        with subtests.test(value=value[:30]):
            reply = good(phone, route).with_fields(**{field: value}).send()
            assert zap_fields(reply) == (400, "invalid_request", [field])
            untouched()


def test_all_fields_at_fault_are_named_at_once(phone):
    reply = good(phone, "register").but(body={"email": 7, "name": []}).send()
    assert zap_error(reply) == (400, "invalid_request")
    assert set(reply.json["errors"]) == {"username", "email", "password", "name"}


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("register", {"phoneNumber": None, "name": ""}),
        *[("register", {"roleId": value, "referralCode": value}) for value in (None, [], {}, "\ud800", 10**4000)],
        *[("login", {"isApp": value, "twoFaToken": value}) for value in (True, None, 7, [], {}, "\0")],
        *[("login", {"deviceToken": value}) for value in (None, "")],
        *[
            (route, {"unknown": {"a": ["\ud800"]}, "\ud800": 1, "\0": 1, "": 1, "x" * 50_000: 1, "__class__": 1})
            for route in WITH_BODY
        ],
    ],
)
def test_what_is_optional_unknown_or_ignored_is_no_reason_to_refuse(phone, route, fields):
    zap_success(good(phone, route).with_fields(**fields).send())


def test_what_only_staff_may_set_is_ignored_from_others_however_it_is_spelt(phone):
    fields = {"is_staff": True, "isStaff": True, "is_superuser": True, "role_id": 1, "roleId": 1, "id": "0" * 24}
    made = zap_success(good(phone, "register").with_fields(**fields).send())
    user = User.objects.get(pk=made["id"])
    assert (user.is_staff, user.is_superuser, user.role_id) == (False, False, None)
    assert user.pk != "0" * 24


def test_a_role_id_that_is_none_is_refused_from_staff(phone, subtests):
    User.objects.filter(pk=phone.user_id).update(is_superuser=True)
    untouched = Untouched()
    bad = [*NO_TEXT, *UNSTORABLE, "x", "NaN", "sNaN", "Infinity", 0.5, 10**40, 10**4000, "1E+9999999", "1E-9999999"]
    for role_id in bad:
        with subtests.test(role_id=repr(role_id)[:30]), undone():
            call = good(phone, "register").but(token=phone.access_token).with_fields(roleId=role_id)
            assert zap_fields(call.send()) == (400, "invalid_request", ["roleId"])
            untouched()
    for role_id in (0, -1, 10**39, "7", None):
        with subtests.test(role_id=role_id), undone():
            call = good(phone, "register").but(token=phone.access_token).with_fields(roleId=role_id)
            assert zap_success(call.send())["roleId"] == (None if role_id is None else int(role_id))


def test_what_looks_like_sql_is_a_value_like_any_other(phone, untouched, subtests):
    for text in ("' OR 1=1 --", "'; DROP TABLE users_user; --", '" OR ""="', "%", "_%", "\\", "+' OR 1=1", "%@%"):
        with subtests.test(text=text):
            assert zap_error(good(phone, "login").with_fields(identity=text).send()) == (401, "invalid_credentials")
            assert zap_error(good(phone, "refresh").with_fields(refreshToken=text).send()) == (401, "token_invalid")
            untouched()


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_that_is_not_json_is_refused(phone, untouched, subtests, route):
    whole = json.dumps(good(phone, route).body).encode()
    cut = {f"cut off after {length} bytes": whole[:length] for length in (1, len(whole) // 2, len(whole) - 1)}
    for name, content in (NOT_JSON | cut).items():
        with subtests.test(body=name):
            assert zap_fields(good(phone, route).send(content)) == (400, "invalid_json", [])
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_that_is_json_but_no_object_is_refused(phone, untouched, subtests, route):
    own = json.dumps([good(phone, route).body])
    for text in ("null", "[]", own, *NO_OBJECT):
        with subtests.test(body=text[:30]):
            assert zap_fields(good(phone, route).send(text.encode())) == (400, "invalid_request", [])
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_no_body_and_an_empty_object_lack_the_required_fields(phone, untouched, route):
    # Whether a login says who is looked at when the rest of it is there.
    required = [field for field in REQUIRED[route] if "login" not in route or field == "password"]
    for call in (good(phone, route).but(body=None), good(phone, route).but(body={})):
        assert zap_fields(call.send()) == (400, "invalid_request", required)
    untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_is_read_up_to_the_limit_and_not_beyond(phone, untouched, route):
    whole = json.dumps(good(phone, route).body).encode()
    for length in (LIMIT + 1, 1_000_000):
        assert zap_fields(good(phone, route).send(whole.ljust(length))) == (400, "body_too_large", [])
        untouched()
    with undone():
        zap_success(good(phone, route).send(whole.ljust(LIMIT)))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_string_of_a_megabyte_is_a_body_too_large(phone, untouched, subtests, route):
    for field in good(phone, route).body:
        with subtests.test(field=field):
            reply = good(phone, route).with_fields(**{field: "x" * 1_000_000}).send()
            assert zap_error(reply) == (400, "body_too_large")
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_with_a_bom_is_the_same_body(phone, route):
    zap_success(good(phone, route).send(json.dumps(good(phone, route).body).encode("utf-8-sig")))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_of_another_content_type_or_none_is_refused(phone, untouched, subtests, route):
    forms = {
        "application/x-www-form-urlencoded": MANY_FIELDS,
        "application/x-www-form-urlencoded; charset=hex": b"%41=1",
    }
    for kind, content in ({None: None} | FOREIGN_TYPES | forms).items():
        with subtests.test(kind=kind and kind[:40]):
            assert zap_fields(good(phone, route).send(content, kind=kind)) == (400, "unsupported_media_type", [])
            untouched()


@pytest.mark.parametrize("route", ["login", "logout"])
def test_a_body_is_json_whatever_else_its_content_type_says(phone, subtests, route):
    for kind in ODD_JSON_TYPES:
        with subtests.test(kind=kind[:40]), undone():
            zap_success(good(phone, route).send(kind=kind))


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_request_without_a_token_is_told_that_it_lacks_one(phone, untouched, subtests, route):
    missing = bad_authorizations("Bearer", phone.access_token) | {"Buddy's scheme": f"Buddy {phone.access_token}"}
    for name, header in missing.items():
        with subtests.test(header=name):
            reply = good(phone, route).send(Authorization=header)
            assert zap_error(reply) == (401, "token_missing")
            assert reply.headers["www-authenticate"] == 'Bearer realm="zapauth"'
            untouched()


@pytest.mark.parametrize("route", [*WITH_TOKEN, "register"])
def test_a_token_that_is_spoilt_is_refused(phone, untouched, subtests, route):
    genuine = Genuine(phone.access_token)
    forged = {name: f"Bearer {forge(genuine)}" for name, forge in FORGERIES.items()}
    for name, header in (forged | monstrous_authorizations("Bearer", phone.access_token)).items():
        with subtests.test(token=name), undone():
            reply = good(phone, route).send(Authorization=header)
            assert zap_error(reply) == (401, "token_invalid")
            assert 'error="invalid_token"' in reply.headers["www-authenticate"]
            untouched()


def test_a_refresh_token_that_is_spoilt_is_refused(phone, untouched, subtests):
    genuine = Genuine(phone.refresh_token)
    forged = {name: forge(genuine) for name, forge in FORGERIES.items()}
    for name, raw in forged.items():
        with subtests.test(token=name), undone():
            reply = good(phone, "refresh").with_fields(refreshToken=raw).send()
            assert zap_error(reply) == (401, "token_invalid")
            untouched()


def test_a_token_put_together_again_unspoilt_is_good(phone):
    # Else the forgeries could be refused for what they have in common.
    again = Genuine(phone.access_token).claiming()
    assert again != phone.access_token
    zap_success(good(phone, "own user").but(token=again).send())
    zap_success(good(phone, "refresh").with_fields(refreshToken=Genuine(phone.refresh_token).headed()).send())


@pytest.mark.parametrize("route", [*WITH_TOKEN, "register", "refresh"])
def test_a_good_token_of_another_kind_is_refused(phone, subtests, route):
    buddy = BuddyPhone(InProcess()).sign_up()
    tokens = {"Buddy's user-level token": buddy.access_token, "Buddy's app-level token": buddy.app_token}
    tokens["ZAP's other token"] = phone.access_token if route == "refresh" else phone.refresh_token
    untouched = Untouched()
    for name, token in tokens.items():
        with subtests.test(token=name):
            call = good(phone, route)
            call = call.with_fields(refreshToken=token) if route == "refresh" else call.but(token=token)
            assert zap_error(call.send()) == (401, "token_invalid")
            untouched()
            assert phone.me().status == buddy.me().status == 200


@pytest.mark.parametrize("route", [*WITH_TOKEN, "register", "refresh"])
def test_a_genuine_token_of_an_app_that_is_not_zaps_is_refused(phone, untouched, settings, route):
    call = good(phone, route)
    settings.ZAP_APP = "Another"
    assert zap_error(call.but(token=phone.access_token).send()) == (401, "token_invalid")
    settings.ZAP_APP = "ZAP"
    untouched()


@pytest.mark.parametrize("route", [*WITH_TOKEN, "register", "refresh"])
def test_a_token_is_good_until_one_second_before_its_exp_and_expired_from_then_on(new_phone, settings, route):
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    lifetime = settings.SESSION_LIFETIME if route == "refresh" else settings.ACCESS_TOKEN_LIFETIME
    with time_machine.travel(start, tick=False) as clock:
        phone = new_phone(device_token="mine").sign_up()
        call = good(phone, route).but(token=phone.access_token if route != "refresh" else None)
        if "logout" in route:  # for one's own id an expired token is good
            call = call.but(path=f"/v1/users/logout/{User.objects.create_user(new_name()).pk}")
        before = everything()
        for seconds in (0, 1):
            clock.move_to(start + lifetime + timedelta(seconds=seconds))
            assert zap_error(call.send()) == (401, "token_expired")
            assert everything() == before
        clock.move_to(start + lifetime - timedelta(seconds=1))
        reply = call.send()
        assert zap_error(reply) == (403, "permission_denied") if "logout" in route else zap_success(reply)


@pytest.mark.parametrize("route", ["login", "refresh"])
def test_a_dead_token_is_no_hindrance_where_none_is_needed(phone, route):
    zap_success(good(phone, route).but(token="rubbish").send())


# --- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_staff", [False, True])
@pytest.mark.parametrize("route", ["logout", "web logout"])
def test_an_id_that_is_none_is_somebody_elses_and_to_staff_unknown(phone, untouched, subtests, route, is_staff):
    if is_staff:
        User.objects.get(pk=phone.user_id).user_permissions.add(Permission.objects.get(codename="end_session"))
    own = phone.user_id
    ids = {
        "upper case": own.upper(),
        "its first half": own[:12],
        "with a digit more": own + "0",
        **{f"with {end!r} at its end": own + quote(end) for end in ("\0", "\n", "\r\n", " ", "?", "#", ";", ".", "é")},
        "with a blank before": f"%20{own}",
        "of 24 digits": "0" * 24,
        "of other digits": quote("٣" * 24),
        **{repr(text): quote(text) for text in ("me", "\0", "\n", "..", "*", "%", "_" * 24, "€", "null", "undefined")},
        "SQL": quote("' OR 1=1 --"),
        "more SQL": quote(f"{own}' OR '1'='1"),
        "invalid UTF-8": "%FF",
        "a surrogate": "%ED%A0%80",
        "10,000 letters": "a" * 10_000,
        "10,000 NULs": "%00" * 10_000,
    }
    for name, user_id in ids.items():
        with subtests.test(id=name), undone():
            reply = good(phone, route).but(path=f"/v1/users/logout/{user_id}").send()
            assert zap_error(reply) == ((404, "not_found") if is_staff else (403, "permission_denied"))
            untouched()


UNKNOWN = [
    *("/v1", "/v1/", "/v1/nothing", "/v1/Users", "/v1/users//", "/v1//users", "/v1/users/logout"),
    *("/v1/users/logout/", "/v1/users/logout/a/b", "/v1/users/logout/{own}//", "/v1/users/logout/{own}%2F%2F"),
    *("/v1/users/logout/a%2Fb", "/v1/users/token/x", "/v1/users/token.json", "/v1/users/../users/token"),
    *("/v1/users%00", "/v1/login%00", "/v1/users/token%20", "/v1/users/token%0A", "/v1/login%0A", "/v1/refresh/%0A"),
    *("/v1/%FF", "/v1/%ED%A0%80", "/v1/€", "/v1/" + "x" * 50_000, "/v1/devices", "/v1/users/me/logout", "/v1/%2e%2e/"),
]


def test_an_unknown_path_is_a_404_in_the_dialect_by_any_method(phone, untouched, subtests):
    for path, method in itertools.product(UNKNOWN, METHODS):
        with subtests.test(path=path[:40], method=method):
            call = good(phone, "logout").but(method=method, path=path.replace("{own}", phone.user_id))
            reply = call.send()
            if method == "HEAD":
                assert (reply.status, reply.text) == (404, "")
            else:
                assert zap_error(reply) == (404, "not_found")
    untouched()


# --- methods -----------------------------------------------------------------------------------

ALLOWED = {
    "/v1/users": {"POST"},
    "/v1/login": {"POST"},
    "/v1/refresh": {"POST"},
    "/v1/users/token": {"GET", "HEAD"},
    "/v1/users/logout/{own}": {"PUT", "GET"},  # no HEAD: nobody should be logged out by one
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("authorization", [None, "Bearer rubbish", "good"])
def test_a_wrong_method_is_a_405_whoever_asks_and_does_nothing(phone, untouched, subtests, path, authorization):
    header = f"Bearer {phone.access_token}" if authorization == "good" else authorization
    for method in sorted(set(METHODS) - ALLOWED[path]):
        for content in (None, b'{"deviceToken": "mine"}'):
            with subtests.test(method=method, content=content):
                call = Call(phone, method, path.replace("{own}", phone.user_id))
                reply = call.send(content, Authorization=header)
                if method == "HEAD":
                    assert (reply.status, reply.text) == (405, "")
                else:
                    assert zap_error(reply) == (405, "method_not_allowed")
                untouched()


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_405_names_the_methods_that_are_right(phone, path, slash):
    reply = Call(phone, "OPTIONS", path.replace("{own}", phone.user_id) + slash).send(Origin="https://app.example")
    assert zap_error(reply) == (405, "method_not_allowed")
    assert set(reply.headers["allow"].split(", ")) == ALLOWED[path]


# --- headers -----------------------------------------------------------------------------------


def test_a_host_that_is_not_ours_is_a_400_in_the_dialect(phone, untouched, subtests):
    for host in FOREIGN_HOSTS:
        for call in (good(phone, "register"), good(phone, "logout"), Call(phone, "GET", "/v1/nothing")):
            with subtests.test(host=host[:20], path=call.path):
                assert zap_error(call.send(Host=host)) == (400, "bad_request")
    untouched()


@pytest.mark.parametrize("route", ["login", "own user"])
def test_an_odd_header_does_no_harm(phone, subtests, route):
    for name, value in ODD_HEADERS:
        with subtests.test(name=name), undone():
            zap_success(good(phone, route).send(**{name: value}))


def test_an_odd_forwarded_address_does_no_harm(phone, subtests, settings):
    settings.TRUSTED_PROXIES = 1
    for address, route in itertools.product(ODD_ADDRESSES, ["login", "logout"]):
        with subtests.test(address=address[:20], route=route), undone():
            zap_success(good(phone, route).send(X_Forwarded_For=address))


def test_a_sane_request_id_is_echoed_and_another_one_replaced(phone, subtests):
    sane = ["a", "abc.DEF-1_2", "x" * 64, "0190163d-8694-739b-aea5-966c26f8ad91"]
    insane = ["", "x" * 65, "a b", "a/b", "é", "<script>", "a,b", '"a"', "x" * 100_000]
    calls = [good(phone, "own user"), good(phone, "register").but(body={}), Call(phone, "GET", "/v1/nothing")]
    for given_id in sane + insane:
        with subtests.test(given=given_id[:30]):
            ids = [call.send(X_Request_ID=given_id).headers["x-request-id"] for call in calls]
            if given_id in sane:
                assert ids == [given_id] * 3
            else:
                assert all(SANE_ID.fullmatch(made) and made != given_id for made in ids)
                assert len(set(ids)) == 3


# --- bugs --------------------------------------------------------------------------------------

WITHIN = {
    "register": "zapauth.zap.viewsets.register_user",
    "login": "zapauth.zap.viewsets.log_in_with_refresh",
    "refresh": "zapauth.zap.viewsets.refresh",
    "own user": "sessions.authentication.get_live_session",
    "logout": "zapauth.zap.viewsets.log_out",
    "web logout": "zapauth.zap.viewsets.log_out",
}


@pytest.mark.parametrize("place", [*WITHIN, "middleware"])
def test_a_bug_is_a_500_in_the_dialect_that_is_logged_and_shows_nothing(phone, untouched, caplog, place):
    call = good(phone, "own user" if place == "middleware" else place)
    with failing(WITHIN.get(place, "django.middleware.common.CommonMiddleware.process_request"), caplog) as logged:
        reply = call.send(X_Request_ID="the-request")
    assert zap_error(reply) == (500, "server_error")
    assert reply.json.keys() == {"success", "message", "code"}
    assert reply.headers["x-request-id"] == "the-request"
    assert "secret" not in reply.text
    assert logged == [("ERROR", "the-request", "the inner secret")]
    untouched()


# --- anything ----------------------------------------------------------------------------------

KNOWN = {field for _, field in FIELDS} | {"roleId", "referralCode", "isApp", "twoFaToken"}


@BOUNDED
@given(st.data())
def test_whatever_json_comes_is_answered_as_documented(phone, data):
    call = good(phone, data.draw(st.sampled_from(WITH_BODY)))
    body = data.draw(arbitrary_bodies(KNOWN, call.body))
    with undone():
        reply = call.send(json.dumps(body).encode())
        assert is_documented(reply, "zap"), reply
        assert reply.status in (200, 201, 400, 401, 403, 422), reply
