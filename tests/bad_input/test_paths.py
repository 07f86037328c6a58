"""Unknown paths, ids and methods, in both dialects."""

import itertools
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.utils import timezone

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from tests.bad_input.answers import zap_fields
from tests.bad_input.calls import METHODS, Call
from tests.bad_input.database import Untouched
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.genuine import Genuine
from tests.bad_input.routes import ALLOWED, BY_ID, ROUTES, each, route_named
from tests.phones import BuddyPhone, InProcess, promote
from users.models import User

BAD_ID = (400, "ParameterOutOfRange")
UNKNOWN = {
    ZAP: [
        *("/v1", "/v1/", "/v1/nothing", "/v1/Users", "/v1/users//", "/v1//users", "/v1/users/logout/a/b"),
        *("/v1/users/logout/{own}//", "/v1/users/logout/{own}%2F%2F", "/v1/users/logout/a%2Fb", "/v1/users/token/x"),
        *("/v1/users/../users/token", "/v1/users%00", "/v1/login%00", "/v1/login%0A", "/v1/refresh/%0A", "/v1/%FF"),
        *("/v1/%ED%A0%80", "/v1/€", "/v1/" + "x" * 50_000, "/v1/devices", "/v1/users/me/logout", "/v1/%2e%2e/"),
        *("/v1/users/{own}//", "/v1/users/{own}/x", "/v1/users/{own}/Sessions", "/v1/users/{own}/sessions//"),
        *("/v1/users/{own}/sessions/x/y", "/v1/users/{own}/sessions/logout/x", "/v1/users//sessions"),
        *("/v1/changepassword", "/v1/changePassword%00", "/v1/changePassword%0A", "/v1/otp/x", "/v1/otp//"),
        *("/v1/forgotPassword%20", "/v1/otp//forgotPassword", "/v1/otp/forgotPassword/x", "/v1/sessions"),
    ],
    BUDDY: [
        *("/", "/nothing", "/Users", "/USERS/ME", "/users//", "/users//me", "/users/me//", "/users/me/logout/x"),
        *("/users/me/logout//", "/users/me%2Flogout%2F%2F", "/users/../users/me", "/users%00", "/users/me/logout%0A"),
        *("/service/ping/%0A", "/%FF", "/%ED%A0%80", "/€", "/" + "x" * 50_000, "/v1x", "/V1/users", "/v2/users"),
        *("/service", "/pictures", "/metrics/events/x", "/devices/current/crashreports/x", "/favicon.ico", "/.env"),
        *("/users/me/x", "/' OR 1=1 --", "/users/login/login", "/devices/currently", "/*", "/users/{own}/logout"),
        *("/users/{own}//", "/users/{own}/x", "/users/password/x", "/users/password//", "/users/a%2Fb"),
    ],
}


@pytest.mark.parametrize("dialect", [ZAP, BUDDY], ids=str)
def test_an_unknown_path_is_refused_by_any_method(dialect, phone, untouched):
    for method in METHODS:
        call = Call(phone, method, "", token=phone.access_token)
        paths = {path[:50]: path.replace("{own}", phone.user_id) for path in UNKNOWN[dialect]}
        if method in ("GET", "HEAD"):
            paths.pop("/", None)  # a page
        answers = {name: refusal(dialect, call.but(path=path)) for name, path in paths.items()}
        assert answers == dict.fromkeys(paths, dialect.unknown_path), method
    untouched()


def refusal(dialect, call):
    """Return status and error. A HEAD has no body, so it gets the error of its GET."""
    reply = call.send(b'{"deviceToken": "mine"}', Origin="https://app.example")
    if call.method != "HEAD":
        return dialect.error(reply)
    assert reply.text == ""
    return reply.status, {404: dialect.unknown_path, 405: dialect.wrong_method}[reply.status][1]


# --- ids ---------------------------------------------------------------------------------------


def malformed_ids(own):
    endings = ("\0", "\n", "\r\n", " ", "?", ";", ".", "é", "' OR '1'='1")
    texts = ("\0", "\n", "..", "*", "%", "_" * 24, "€", "null", "٣" * 24, "' OR 1=1 --", "a" * 10_000, "\0" * 10_000)
    quoted = [quote(text) for text in (*texts, f" {own}", *(own + end for end in endings))]
    almost_me = ["ME", "me%00", "me%20", "me%0A", "me.json", "me;a=b", "token%0A"]
    return [own.upper(), own[:12], own + "0", "%FF", "%ED%A0%80", *quoted, *almost_me]


@each(BY_ID)
@pytest.mark.parametrize("is_staff", [False, True])
def test_a_malformed_id_is_refused_and_only_staff_learn_that_an_id_is_unknown(call, dialect, phone, route, is_staff):
    if is_staff:
        promote(phone, route.for_others)
    untouched = Untouched()
    nobodys = dialect.no_user if is_staff else dialect.not_yours
    ids = dict.fromkeys(malformed_ids(phone.user_id), BAD_ID if dialect is BUDDY else nobodys)
    ids |= dict.fromkeys(["0" * 24, "f" * 24, *(["me"] if dialect is ZAP else [])], nobodys)
    if not is_staff:
        ids[User.objects.exclude(pk=phone.user_id)[0].pk] = nobodys
    answers = {user_id: dialect.error(call.but(path=route.path_for(phone, user_id)).send()) for user_id in ids}
    assert answers == ids
    untouched()
    assert phone.me().status == 200


@each(route for route in BY_ID if route.dialect is BUDDY)
def test_a_malformed_id_is_not_checked_if_the_token_is_not_sufficient(call, phone, route):
    call = call.but(path=route.path_for(phone, "x"))
    assert BUDDY.error(call.but(token=None).send()) == BUDDY.no_token
    assert BUDDY.error(call.but(token=phone.app_token).send()) == (403, "AuthUserAccessTokenRequired")


@each([route_named(ZAP, "end session")])
def test_a_session_that_is_not_a_live_one_of_that_user_is_not_found(call, dialect, phone, route, subtests):
    ended, others = (dialect.phone(InProcess(), device_token="mine") for _ in range(2))
    ended.log_in(phone.username)
    others.sign_up()
    end_sessions(session_of(ended), actor=None, reason=EndReason.STAFF)
    app_level = Genuine(BuddyPhone(InProcess()).sign_up().app_token).claims["sid"]
    promote(phone, route.for_others)
    own = str(session_of(phone).get().pk)
    ids = [str(session_of(one).get().pk) for one in (ended, others)]
    ids += [app_level, str(uuid4()), phone.user_id, own[:-1], own + "0", "0" * 32, "x", "null", "%FF", "€"]
    ids += [quote(text) for text in (own + "\0", own + "\n", "\0", "' OR 1=1 --", "-" * 36, "x" * 10_000, f"{own} ")]
    paths = [call.path.replace(own, session_id) for session_id in ids]
    paths.append(route.path_for(phone, others.user_id))  # staff, too, may end the session only under its own user's id
    untouched = Untouched()
    for path in paths:
        with subtests.test(path=path[-60:]):
            assert dialect.error(call.but(path=path).send()) == dialect.no_user
    untouched()
    assert phone.me().status == others.me().status == 200


@each([route_named(ZAP, "end session")])
def test_a_session_that_has_timed_out_is_not_found_and_was_not_logged_out(call, dialect, phone):
    late = dialect.phone(InProcess())
    late.log_in(phone.username)
    session_of(late).update(expires_at=timezone.now())
    path = call.path.rpartition("/")[0]
    assert dialect.error(call.but(path=f"{path}/{session_of(late).get().pk}").send()) == dialect.no_user
    assert session_of(late).get().end_reason in ("", EndReason.EXPIRED)


@each([route_named(ZAP, "end session")])
def test_a_session_of_another_user_is_refused_whatever_its_id(call, dialect, phone, route, untouched):
    another = route.path_for(phone, User.objects.exclude(pk=phone.user_id)[0].pk)
    for session_id in (str(uuid4()), "x", "%00"):
        reply = call.but(path=f"{another.rpartition('/')[0]}/{session_id}").send()
        assert dialect.error(reply) == dialect.not_yours
    untouched()


def session_of(phone):
    return Session.objects.filter(pk=Genuine(phone.access_token).claims["sid"])


@each([route_named(ZAP, "log out sessions")])
def test_this_session_is_not_one_of_another_user(call, phone, route):
    promote(phone, route.for_others)
    untouched = Untouched()
    for user_id in (User.objects.exclude(pk=phone.user_id)[0].pk, "0" * 24, "x"):
        reply = call.but(path=route.path_for(phone, user_id)).with_fields(scope="this").send()
        assert zap_fields(reply) == (400, "invalid_request", ["scope"])
    untouched()


# --- methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "path"), ALLOWED, ids=str)
def test_a_wrong_method_is_a_405_whoever_asks_and_does_nothing(dialect, path, phone, untouched):
    right = ALLOWED[dialect, path]
    wrong = sorted(set(METHODS) - right)
    path = path.format(own=phone.user_id, session=session_of(phone).get().pk)
    for token, slash in itertools.product((None, "rubbish", phone.access_token), ("", "/")):
        call = Call(phone, "", path + slash, token=token)
        answers = {method: refusal(dialect, call.but(method=method)) for method in wrong}
        assert answers == dict.fromkeys(wrong, dialect.wrong_method)
    untouched()


@pytest.mark.parametrize(("dialect", "path"), ALLOWED, ids=str)
def test_a_405_names_the_right_methods(dialect, path, phone):
    reply = Call(phone, "BREW", path.format(own=phone.user_id, session=uuid4())).send()
    assert set(reply.headers["allow"].split(", ")) == ALLOWED[dialect, path]


# Some routes have bad queries; a route that reads no query ignores them.
QUERIES = ["", "?bodyLimit=0", "?limit=0", "?location=x", "?limit=1", "?location=1,2"]


@each(route for route in ROUTES if "HEAD" in route.methods)
def test_a_head_is_answered_as_a_get_would_be_but_for_the_body(call, phone, subtests):
    tokens = {"good": call.token, "none": None, "bad": "rubbish", "app-level": getattr(phone, "app_token", None)}
    for (name, token), query in itertools.product(tokens.items(), QUERIES):
        with subtests.test(token=name, query=query):
            get = call.but(token=token, path=call.path + query)
            reply = get.but(method="HEAD").send()
            assert (reply.status, reply.text) == (get.send().status, "")
