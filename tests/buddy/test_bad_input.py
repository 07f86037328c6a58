"""Bad input in the Buddy dialect: the documented refusal, nothing changed, and the good token still good.

And what the contract wants to be taken although it looks odd.
"""

import itertools
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine
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
    UNSTORABLE,
    UUID,
    Call,
    Genuine,
    Untouched,
    arbitrary_bodies,
    bad_authorizations,
    buddy_error,
    buddy_success,
    everything,
    failing,
    is_documented,
    monstrous_authorizations,
    undone,
)
from tests.phones import PASSWORD, InProcess, ZapPhone, new_name
from users.clients import create_app
from users.models import User

pytestmark = [pytest.mark.only("buddy"), pytest.mark.usefixtures("_quick_hashing")]

NO_TOKEN = (401, "AuthAccessTokenInvalid")
NO_USER = (403, "AuthUserAccessTokenRequired")
MISSING = (400, "ParameterMissingRequiredValue")
OUT_OF_RANGE = (400, "ParameterOutOfRange")
BAD_FORMAT = (400, "ParameterIncorrectFormat")
UNKNOWN_OPERATION = (404, "OperationNotFound")
WRONG_METHOD = (405, "OperationNotFound")


@pytest.fixture
def _quick_hashing(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def phone(phone_kind, db):
    """A logged-in phone; there are another app and another user, too."""
    create_app("Another")
    User.objects.create_user(new_name())
    return phone_kind(InProcess(), device_token="mine").sign_up()


@pytest.fixture
def untouched(phone):
    """Called after bad input: no row has changed. When all is over, the good token is still good."""
    yield Untouched()
    assert phone.me().status == 200, phone.last


def good(phone, route):
    """The good call of each route, by its name in these tests."""
    described = {
        "model": "Pixel",
        "osVersion": "15",
        "appVersion": "1.0",
        "connectionType": "wifi",
        "isProduction": True,
        "tag": "t",
        "pushToken": "mine",
        "location": "52.5, 13.4",
    }
    app = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android", "uniqueId": new_name()}
    login = {"username": phone.username, "password": PASSWORD, "location": "1,2"}
    person = login | {
        "username": (new := new_name()),
        "firstName": "Ann",
        "lastName": "Lee",
        "email": f"{new}@example.org",
        "gender": "female",
        "dateOfBirth": "/Date(636595200000)/",
        "tag": "t",
    }
    return {
        "register": Call(phone, "POST", "/devices", app | described),
        "change": Call(phone, "PATCH", "/devices/current", described, phone.app_token),
        "sign up": Call(phone, "POST", "/users", person, phone.app_token),
        "login": Call(phone, "POST", "/users/login", login, phone.app_token),
        "me": Call(phone, "GET", "/users/me", token=phone.access_token),
        "logout": Call(phone, "POST", "/users/me/logout", {"location": "1,2"}, phone.access_token),
        "ping": Call(phone, "GET", "/service/ping"),
    }[route]


REQUIRED = {
    "register": ["appId", "appKey", "platform"],
    "sign up": ["username", "password"],
    "login": ["username", "password"],
    "change": [],
    "logout": [],
}
_DESCRIBED = ["model", "osVersion", "appVersion", "connectionType", "tag", "pushToken", "DeviceToken"]
OPTIONAL_TEXT = {
    "register": ["uniqueId", *_DESCRIBED],
    "change": _DESCRIBED,
    "sign up": ["firstName", "lastName", "tag"],
    "login": [],
    "logout": [],
}
WITH_BODY = list(REQUIRED)
FOR_USERS = ["me", "logout"]
WITH_TOKEN = ["change", "sign up", "login", *FOR_USERS]
ROUTES = [*WITH_BODY, "me", "ping"]
REQUIRED_FIELDS = [(route, field) for route in WITH_BODY for field in REQUIRED[route]]
OPTIONAL_FIELDS = [(route, field) for route in WITH_BODY for field in OPTIONAL_TEXT[route]]
TEXT_FIELDS = REQUIRED_FIELDS + OPTIONAL_FIELDS


def taken(reply):
    """Whether the parameters were read: what refuses, if anything, is that they are nobody's."""
    if reply.status == 401:
        return buddy_error(reply)[1] in ("AuthAppCredentialsInvalid", "AuthBadUsernameOrPassword")
    return buddy_success(reply) is not None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_calls_that_these_tests_break_are_good_with_and_without_a_trailing_slash(phone, route, slash):
    call = good(phone, route)
    buddy_success(call.but(path=call.path + slash).send())


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "field"), TEXT_FIELDS)
def test_a_text_that_is_none_cannot_be_stored_or_is_too_long_is_refused(phone, untouched, subtests, route, field):
    refusals = [(BAD_FORMAT, value) for value in (*NO_TEXT, *UNSTORABLE)]
    refusals += [(OUT_OF_RANGE, value) for value in ("x" * 4097, "é" * 15_000, "x" * 100_000, 10**4200)]
    for refusal, value in refusals:
        with subtests.test(value=repr(value)[:30]), undone():
            reply = good(phone, route).without("pushToken").with_fields(**{field: value}).send()
            assert buddy_error(reply) == refusal
            assert field.lower() in reply.json["message"].lower()
            untouched()


@pytest.mark.parametrize(("route", "field"), REQUIRED_FIELDS)
def test_a_required_parameter_that_is_left_out_empty_or_misspelt_is_missing(phone, untouched, subtests, route, field):
    call, rest = good(phone, route), good(phone, route).without(field)
    tries = {"left out": rest, "null": call.with_fields(**{field: None}), "empty": call.with_fields(**{field: ""})}
    if field != "password":  # whose blanks count
        tries["blank"] = call.with_fields(**{field: " \t\n"})
    for name in (field + "\0", field + "\ud800", "\ufeff" + field, f"{field}[]", f" {field}"):
        tries[repr(name)] = rest.with_fields(**{name: call.body[field]})
    for name, broken in tries.items():
        with subtests.test(field=name):
            reply = broken.send()
            assert buddy_error(reply) == MISSING
            assert field.lower() in reply.json["message"].lower()
            untouched()


@pytest.mark.parametrize(
    ("field", "refused", "out_of_range"),
    [
        (
            "location",
            ["x", "1", "1,2,3", ",", "1,", "nan,1", "1,inf", "1;2", "x" * 10_000, 7, 1.5],
            ["90.1,0", "-91,0", "0,180.1", "0,-1e300"],
        ),
        ("gender", ["x", "malefemale", "3", -1, 1.5, 10**400, "\u2642", "x" * 10_000], []),
        ("isProduction", ["x", 7, 0.5, "2", "x" * 10_000], []),
        ("email", ["x", "@", "x@", "@x.de", "a b@x.de", 7, "a@b.cd,e@f.gh"], ["x" * 310 + "@example.org"]),
        (
            "dateOfBirth",
            [
                *("x", "x" * 10_000, 7, -1.5, "/Date()/", "/Date(x)/", "/Date(1)", f"/Date({'9' * 18})/"),
                *(f"/Date(-{'9' * 15})/", "1990-13-01", "1990-02-30", "1990", "0000-01-01", "10000-01-01"),
                *("1990-03-05T25:00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"),
                "Mar 32, 1990 12:00:00 AM",
            ],
            [],
        ),
    ],
)
def test_a_value_of_the_wrong_form_or_beyond_its_bounds_is_refused(
    phone, untouched, subtests, field, refused, out_of_range
):
    tries = [(BAD_FORMAT, value) for value in (*refused, *NO_TEXT, *UNSTORABLE)]
    tries += [(OUT_OF_RANGE, value) for value in out_of_range]
    for route in WITH_BODY:
        if field not in good(phone, route).body:
            continue
        for refusal, value in tries:
            if field == "isProduction" and isinstance(value, bool):
                continue
            with subtests.test(route=route, value=repr(value)[:30]), undone():
                reply = good(phone, route).with_fields(**{field: value}).send()
                assert buddy_error(reply) == refusal
                assert field.lower() in reply.json["message"].lower()
                untouched()


LONGEST = {
    **dict.fromkeys(["appId", "appKey", "uniqueId"], 255),
    **dict.fromkeys(["platform", "osVersion", "appVersion", "connectionType"], 100),
    **dict.fromkeys(["username", "firstName", "lastName"], 150),
    **dict.fromkeys(["tag", "pushToken", "DeviceToken"], 4096),
    "model": 512,
    "password": 128,
}


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_text_may_be_as_long_as_its_column_and_no_longer(phone, untouched, subtests, route):
    for field, letter in itertools.product(REQUIRED[route] + OPTIONAL_TEXT[route], "xé"):
        with subtests.test(field=field, letter=letter), undone():
            call, longest = good(phone, route).without("pushToken"), LONGEST[field]
            assert buddy_error(call.with_fields(**{field: letter * (longest + 1)}).send()) == OUT_OF_RANGE
            untouched()
            assert taken(call.with_fields(**{field: letter * longest}).send())


@pytest.mark.parametrize("letter", ["\ufdfa", "\ufb03", "\u3300"])  # of which normalization makes several
def test_a_user_name_that_grows_when_it_is_stored_is_out_of_range(phone, untouched, letter):
    with undone():
        reply = good(phone, "sign up").with_fields(username=letter * 150).send()
        assert buddy_error(reply) == OUT_OF_RANGE
        untouched()
    assert buddy_error(good(phone, "login").with_fields(username=letter * 150).send())[0] in (400, 401)


def test_what_looks_like_sql_is_a_value_like_any_other(phone, untouched, subtests):
    for text in ("' OR 1=1 --", "'; DROP TABLE users_user; --", '" OR ""="', "%", "_%", "\\"):
        with subtests.test(text=text):
            reply = good(phone, "login").with_fields(username=text).send()
            assert buddy_error(reply) == (401, "AuthBadUsernameOrPassword")
            reply = good(phone, "register").with_fields(appId=text).send()
            assert buddy_error(reply) == (401, "AuthAppCredentialsInvalid")
            untouched()


# --- what is taken although it looks odd -------------------------------------------------------


@pytest.mark.parametrize(("route", "field"), TEXT_FIELDS)
def test_a_number_is_taken_for_the_text_that_it_is_written_as(phone, subtests, route, field):
    for number in (0, -1.5, 10**90):
        with subtests.test(number=number), undone():
            assert taken(good(phone, route).with_fields(**{field: number}).send())


def test_a_number_and_its_text_are_the_same_name_and_password(phone):
    buddy_success(good(phone, "sign up").with_fields(username=4711, password=815).send())
    buddy_success(good(phone, "login").with_fields(username="4711", password="815").send())
    buddy_success(good(phone, "login").with_fields(username=4711, password=815).send())


@pytest.mark.parametrize("route", WITH_BODY)
def test_null_is_the_same_as_left_out_and_an_optional_text_may_be_empty(phone, subtests, route):
    for field in good(phone, route).without(*REQUIRED[route]).body:
        with subtests.test(null=field), undone():
            buddy_success(good(phone, route).with_fields(**{field: None}).send())
    for field in OPTIONAL_TEXT[route]:
        with subtests.test(empty=field), undone():
            buddy_success(good(phone, route).with_fields(**{field: ""}).send())


@pytest.mark.parametrize("route", WITH_BODY)
def test_names_may_be_spelt_in_any_case_and_twice(phone, subtests, route):
    for spell in (str.upper, str.lower, str.swapcase, str.title):
        body = good(phone, route).body
        spelt = {spell(name): value for name, value in body.items()}
        twice = dict.fromkeys(spelt) | body
        for parameters in (spelt, twice):
            with subtests.test(parameters=list(parameters)), undone():
                buddy_success(good(phone, route).but(body=parameters).send())


@pytest.mark.parametrize("route", WITH_BODY)
@pytest.mark.parametrize("as_form", [False, True])
def test_unknown_parameters_are_ignored(phone, route, as_form):
    odd = {"unknown": "x", "\0": "1", "": "1", "x" * 10_000: "1", "__class__": "1", "é": "1", "body": "x"}
    odd |= {"is_staff": "1", "isSuperuser": "1", "user_id": "1", "created_at": "x"}
    call = good(phone, route).with_fields(**odd)
    if as_form:
        content, kind = urlencode(call.body).encode(), "application/x-www-form-urlencoded"
    else:
        call = call.with_fields(**{"\ud800": 1, "deep": {"a": ["\ud800", None]}, "big": 10**4000})
        content, kind = None, "application/json"
    buddy_success(call.send(content, kind=kind))
    assert not User.objects.filter(is_staff=True).exists()


@pytest.mark.parametrize("route", ["change", "logout"])
@pytest.mark.parametrize("content", [None, b"[]", b" [ ] ", b"{}", b"null", b'{"location": null}'])
def test_no_body_phps_empty_array_and_null_are_no_parameters(phone, route, content):
    buddy_success(good(phone, route).but(body=None).send(content))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_without_a_content_type_is_json(phone, route):
    buddy_success(good(phone, route).send(kind=None))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_form_is_as_good_as_json(phone, subtests, route):
    content = urlencode(good(phone, route).body).encode()
    for charset in ("", "; charset=utf-8", ";charset=latin-1", "; charset=hex", "; charset=nonsense"):
        with subtests.test(charset=charset), undone():
            buddy_success(good(phone, route).send(content, kind=f"application/x-www-form-urlencoded{charset}"))


@pytest.mark.parametrize("route", ["register", "logout"])
def test_a_body_is_json_whatever_else_its_content_type_says(phone, subtests, route):
    for kind in ODD_JSON_TYPES:
        with subtests.test(kind=kind[:40]), undone():
            buddy_success(good(phone, route).send(kind=kind))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_with_a_bom_is_the_same_body(phone, route):
    buddy_success(good(phone, route).send(json.dumps(good(phone, route).body).encode("utf-8-sig")))


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "kind"), [*[(route, "application/json") for route in WITH_BODY], ("register", None)])
def test_a_body_that_is_not_json_is_of_an_incorrect_format(phone, untouched, subtests, route, kind):
    whole = json.dumps(good(phone, route).body).encode()
    cut = {f"cut off after {length} bytes": whole[:length] for length in (1, len(whole) // 2, len(whole) - 1)}
    for name, content in (NOT_JSON | cut).items():
        with subtests.test(body=name):
            assert buddy_error(good(phone, route).send(content, kind=kind)) == BAD_FORMAT
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_that_is_json_but_no_object_is_of_an_incorrect_format(phone, untouched, subtests, route):
    for text in (json.dumps([good(phone, route).body]), "[[]]", "[null]", *NO_OBJECT):
        with subtests.test(body=text[:30]):
            assert buddy_error(good(phone, route).send(text.encode())) == BAD_FORMAT
            untouched()


@pytest.mark.parametrize("route", ["register", "sign up", "login"])
@pytest.mark.parametrize("content", [None, b"{}", b"[]", b"null"])
def test_a_body_without_parameters_lacks_the_required_ones(phone, untouched, route, content):
    assert buddy_error(good(phone, route).but(body=None).send(content)) == MISSING
    untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_is_read_up_to_the_limit_and_not_beyond(phone, untouched, route):
    whole = json.dumps(good(phone, route).body).encode()
    for length in (LIMIT + 1, 1_000_000):
        assert buddy_error(good(phone, route).send(whole.ljust(length))) == OUT_OF_RANGE
        form = urlencode({"tag": "x" * length}).encode()
        assert buddy_error(good(phone, route).send(form, kind="application/x-www-form-urlencoded")) == OUT_OF_RANGE
        untouched()
    with undone():
        buddy_success(good(phone, route).send(whole.ljust(LIMIT)))


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_string_of_a_megabyte_is_out_of_range(phone, untouched, subtests, route):
    for field in good(phone, route).body:
        with subtests.test(field=field):
            reply = good(phone, route).with_fields(**{field: "x" * 1_000_000}).send()
            assert buddy_error(reply) == OUT_OF_RANGE
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_body_of_another_content_type_is_of_an_incorrect_format(phone, untouched, subtests, route):
    for kind, content in FOREIGN_TYPES.items():
        with subtests.test(kind=kind[:40]):
            assert buddy_error(good(phone, route).send(content, kind=kind)) == BAD_FORMAT
            untouched()


@pytest.mark.parametrize("route", WITH_BODY)
def test_a_form_of_5000_fields_or_with_what_cannot_be_stored_is_of_an_incorrect_format(
    phone, untouched, subtests, route
):
    whole = urlencode(good(phone, route).body).encode()
    for content in (MANY_FIELDS, whole + b"&" + MANY_FIELDS, whole + b"&location=%00", whole + b"&location=%FF%FE"):
        with subtests.test(content=content[-30:]):
            reply = good(phone, route).send(content, kind="application/x-www-form-urlencoded")
            assert buddy_error(reply) == BAD_FORMAT
            untouched()


# --- queries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        *[(f"location={value}", BAD_FORMAT) for value in ("x", "1", "%00", "%FF", "nan,1", "1,2,3", "%ED%A0%80,1")],
        ("location=91,0", OUT_OF_RANGE),
        ("LOCATION=x&location=", BAD_FORMAT),
        (MANY_FIELDS.decode(), BAD_FORMAT),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_query_is_checked_like_a_body(phone, untouched, query, refusal):
    call = good(phone, "me")
    assert buddy_error(call.but(path=f"/users/me?{query}").send()) == refusal
    untouched()


def test_an_odd_query_is_no_reason_to_refuse(phone, subtests):
    for query in ("", "&", "&&&=&==", "%00=1", "%FF=%FF", "a", "?", "a=1;b=2", "location=", "x=" + "y" * 50_000):
        with subtests.test(query=query[:30]):
            buddy_success(good(phone, "me").but(path=f"/users/me?{query}").send())
            buddy_success(good(phone, "ping").but(path=f"/service/ping?{query}").send())


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_request_without_a_token_is_refused(phone, untouched, subtests, route):
    for name, header in bad_authorizations("Buddy", good(phone, route).token).items():
        with subtests.test(header=name):
            assert buddy_error(good(phone, route).send(Authorization=header)) == NO_TOKEN
            untouched()


@pytest.mark.parametrize(("route", "scheme"), [*[(route, "Buddy") for route in WITH_TOKEN], ("logout", "Bearer")])
def test_a_token_that_is_spoilt_is_refused(phone, untouched, subtests, route, scheme):
    genuine = Genuine(good(phone, route).token)
    other_kind = {"access": "app_access", "app_access": "access"}[genuine.claims["token_type"]]
    forged = {name: forge(genuine) for name, forge in FORGERIES.items()}
    forged["of the other level"] = genuine.claiming(token_type=other_kind)
    headers = {name: f"{scheme} {raw}" for name, raw in forged.items()}
    for name, header in (headers | monstrous_authorizations(scheme, genuine.raw)).items():
        with subtests.test(token=name), undone():
            assert buddy_error(good(phone, route).send(Authorization=header)) == NO_TOKEN
            untouched()


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_token_put_together_again_unspoilt_is_good_by_either_scheme_in_any_case(phone, subtests, route):
    # Else the forgeries could be refused for what they have in common.
    again = Genuine(good(phone, route).token).claiming()
    for scheme in ("Buddy", "bUDDY", "bearer", "BEARER"):
        with subtests.test(scheme=scheme), undone():
            buddy_success(good(phone, route).send(Authorization=f"{scheme} {again}"))


@pytest.mark.parametrize("route", FOR_USERS)
def test_an_app_level_token_where_a_user_is_needed_is_told_so(phone, untouched, route):
    call = good(phone, route).but(token=phone.app_token)
    assert buddy_error(call.send()) == NO_USER
    assert buddy_error(call.send(b"[", kind="application/json")) == NO_USER
    untouched()


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_zap_token_is_refused_and_stays_good_where_it_belongs(phone, subtests, route):
    zap = ZapPhone(InProcess(), device_token="zap").sign_up()
    untouched = Untouched()
    for name in ("access_token", "refresh_token"):
        with subtests.test(token=name):
            assert buddy_error(good(phone, route).but(token=getattr(zap, name)).send()) == NO_TOKEN
            untouched()
            assert zap.me().status == zap.refresh().status == 200
            untouched = Untouched()


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_token_is_good_until_one_second_before_its_exp_and_dead_from_then_on(new_phone, settings, route):
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    lifetime = settings.SESSION_LIFETIME if route in FOR_USERS else settings.APP_SESSION_LIFETIME
    with time_machine.travel(start, tick=False) as clock:
        phone = new_phone().sign_up()
        before = everything()
        for seconds in (0, 1):
            clock.move_to(start + lifetime + timedelta(seconds=seconds))
            assert buddy_error(good(phone, route).send()) == NO_TOKEN
            assert everything() == before
        clock.move_to(start + lifetime - timedelta(seconds=1))
        buddy_success(good(phone, route).send())


@pytest.mark.parametrize("route", ["register", "ping"])
def test_a_dead_token_is_no_hindrance_where_none_is_needed(phone, route):
    for header in ("Buddy rubbish", "", "Buddy", "x" * 100_000):
        buddy_success(good(phone, route).send(Authorization=header))


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_signed_apps_request_with_an_odd_signature_is_refused(new_phone, subtests, route):
    signed = create_app("Signed", signed=True)
    phone = new_phone(app_id=signed.app.pk, app_key=signed.key)
    phone.register_device()
    phone.username = "nobody"
    before = everything()
    for signature in ("", "é", "x" * 64, "0" * 64, "0" * 100_000, "Ä" * 64, "%00"):
        with subtests.test(signature=signature[:10]):
            reply = good(phone, route).send(Authorization=f"Buddy {phone.app_token} {signature}")
            assert buddy_error(reply) == (401, "AuthSignatureInvalid")
            assert everything() == before


# --- paths and methods -------------------------------------------------------------------------

UNKNOWN = [
    *("/", "/nothing", "/Users", "/USERS/ME", "/users//", "/users//me", "/users/me//", "/users/me/logout/x"),
    *("/users/me/logout//", "/users/me%2Flogout%2F%2F", "/users/me.json", "/users/me;a=b", "/users/../users/me"),
    *("/users%00", "/users/me%00", "/users/me%20", "/users/me%0A", "/users/me/logout%0A", "/service/ping/%0A"),
    *("/%FF", "/%ED%A0%80", "/€", "/" + "x" * 50_000, "/v1x", "/V1/users", "/v2/users", "/service"),
    *("/pictures", "/metrics/events/x", "/devices/current/crashreports", "/favicon.ico", "/.env", "/users/me/x"),
    *("/' OR 1=1 --", "/users/login/login", "/devices/currently", "/*"),
]


def test_an_unknown_path_is_an_unknown_operation_by_any_method(phone, untouched, subtests):
    for path, method in itertools.product(UNKNOWN, METHODS):
        with subtests.test(path=path[:40], method=method):
            reply = good(phone, "logout").but(method=method, path=path).send()
            if method == "HEAD":
                assert (reply.status, reply.text) == (404, "")
            else:
                assert buddy_error(reply) == UNKNOWN_OPERATION
    untouched()


ALLOWED = {
    "/devices": {"POST"},
    "/devices/current": {"PATCH"},
    "/users": {"POST"},
    "/users/login": {"POST"},
    "/users/me": {"GET", "HEAD"},
    "/users/me/logout": {"POST"},
    "/service/ping": {"GET", "HEAD"},
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("authorization", [None, "Buddy rubbish", "good"])
def test_a_wrong_method_is_a_405_whoever_asks_and_does_nothing(phone, untouched, subtests, path, authorization):
    header = f"Buddy {phone.access_token}" if authorization == "good" else authorization
    for method in sorted(set(METHODS) - ALLOWED[path]):
        for content in (None, b"["):
            with subtests.test(method=method, content=content):
                reply = Call(phone, method, path).send(content, Authorization=header)
                if method == "HEAD":
                    assert (reply.status, reply.text) == (405, "")
                else:
                    assert buddy_error(reply) == WRONG_METHOD
                untouched()


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_405_names_the_methods_that_are_right(phone, path, slash):
    reply = Call(phone, "OPTIONS", path + slash).send(Origin="https://app.example")
    assert buddy_error(reply) == WRONG_METHOD
    assert set(reply.headers["allow"].split(", ")) == ALLOWED[path]


# --- headers -----------------------------------------------------------------------------------


def test_a_host_that_is_not_ours_is_a_400_in_the_dialect(phone, untouched, subtests):
    for host in FOREIGN_HOSTS:
        for call in (good(phone, "register"), good(phone, "logout"), Call(phone, "GET", "/nothing")):
            with subtests.test(host=host[:20], path=call.path):
                assert buddy_error(call.send(Host=host)) == BAD_FORMAT
    untouched()


@pytest.mark.parametrize("route", ["register", "logout", "ping"])
def test_an_odd_header_does_no_harm(phone, subtests, route):
    for name, value in ODD_HEADERS:
        with subtests.test(name=name), undone():
            buddy_success(good(phone, route).send(**{name: value}))


def test_an_odd_forwarded_address_does_no_harm(phone, subtests, settings):
    settings.TRUSTED_PROXIES = 1
    for address, route in itertools.product(ODD_ADDRESSES, ["register", "login", "logout"]):
        with subtests.test(address=address[:20], route=route), undone():
            buddy_success(good(phone, route).send(X_Forwarded_For=address))


def test_a_request_id_is_echoed_if_it_is_a_uuid_and_else_replaced(phone, subtests):
    sane = ["0190163d-8694-739b-aea5-966c26f8ad91", "00000000-0000-0000-0000-000000000000"]
    insane = ["", "a", "x" * 36, "0190163d8694739baea5966c26f8ad91", "0190163D-8694-739B-AEA5-966C26F8AD91"]
    insane += ["{0190163d-8694-739b-aea5-966c26f8ad91}", "0190163d-8694-739b-aea5-966c26f8ad91x", "x" * 100_000]
    calls = [good(phone, "ping"), good(phone, "register").but(body={}), Call(phone, "GET", "/nothing")]
    for given_id in sane + insane:
        with subtests.test(given=given_id[:40]):
            replies = [call.send(X_Request_ID=given_id) for call in calls]
            ids = [reply.headers["x-request-id"] for reply in replies]
            assert [reply.json["request_id"] for reply in replies] == ids
            if given_id in sane:
                assert ids == [given_id] * 3
            else:
                assert all(UUID.fullmatch(made) and made != given_id for made in ids)
                assert len(set(ids)) == 3


# --- bugs --------------------------------------------------------------------------------------

WITHIN = {
    "register": "zapauth.buddy.viewsets.open_device_session",
    "change": "zapauth.buddy.viewsets.change_device",
    "sign up": "zapauth.buddy.viewsets.sign_up_on_device",
    "login": "zapauth.buddy.viewsets.log_in_on_device",
    "me": "sessions.authentication.get_live_session",
    "logout": "zapauth.buddy.viewsets.log_out_of_device",
    "ping": "zapauth.buddy.envelope.success",
}


@pytest.mark.parametrize("place", [*WITHIN, "middleware"])
def test_a_bug_is_a_500_in_the_dialect_that_is_logged_and_shows_nothing(phone, untouched, caplog, place):
    call = good(phone, "me" if place == "middleware" else place)
    request_id = "0190163d-8694-739b-aea5-966c26f8ad91"
    with failing(WITHIN.get(place, "django.middleware.common.CommonMiddleware.process_request"), caplog) as logged:
        reply = call.send(X_Request_ID=request_id)
    assert buddy_error(reply) == (500, "InternalServerError")
    assert reply.headers["x-request-id"] == request_id
    assert "secret" not in reply.text
    assert logged == [("ERROR", request_id, "the inner secret")]
    untouched()


# --- anything ----------------------------------------------------------------------------------

KNOWN = {field for _, field in TEXT_FIELDS} | {"location", "isProduction", "email", "gender", "dateOfBirth"}


@BOUNDED
@given(st.data())
def test_whatever_json_comes_is_answered_as_documented(phone, data):
    call = good(phone, data.draw(st.sampled_from(WITH_BODY)))
    body = data.draw(arbitrary_bodies(KNOWN, call.body))
    with undone():
        reply = call.send(json.dumps(body).encode())
        assert is_documented(reply, "buddy"), reply
        assert reply.status in (200, 201, 400, 401, 403), reply
