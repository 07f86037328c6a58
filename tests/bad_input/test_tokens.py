"""Tokens that are missing, malformed, ended or of the wrong kind, in both dialects."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from tests.bad_input.calls import give_code, new_phone
from tests.bad_input.database import Untouched, undone
from tests.bad_input.dialects import BUDDY, DIALECTS, ZAP
from tests.bad_input.genuine import Genuine
from tests.bad_input.routes import BY_ID, IGNORING_TOKENS, TAKING_TOKENS, WITH_TOKEN, each, route_named
from tests.bad_input.tokens import FORGERIES, bad_authorizations, monstrous_authorizations
from tests.phones import BuddyPhone, InProcess, new_name
from users.clients import create_app
from users.models import User

SECOND = timedelta(seconds=1)
BUDDYS = [route for route in WITH_TOKEN if route.dialect is BUDDY]
zap_only = pytest.mark.parametrize("dialect", [ZAP], ids=str)


def schemes(dialect):
    return {ZAP: ("Bearer", "bEARER"), BUDDY: ("Buddy", "bUDDY", "Bearer", "BEARER")}[dialect]


@each(WITH_TOKEN)
def test_a_request_without_a_token_is_told_that_it_lacks_one(call, dialect, untouched, subtests):
    missing = bad_authorizations(dialect.phone.scheme, call.token)
    if dialect is ZAP:
        missing["Buddy's scheme"] = f"Buddy {call.token}"
    for name, header in missing.items():
        with subtests.test(header=name):
            assert dialect.error(call.send(Authorization=header)) == dialect.no_token
    untouched()


@each(TAKING_TOKENS)
def test_a_token_that_is_spoilt_is_refused(call, dialect, route, phone, untouched):
    genuine = Genuine(call.token or phone.access_token)
    forged = {name: forge(genuine) for name, forge in FORGERIES.items()}
    forged["of the other level"] = genuine.claiming(
        token_type={"access": "app_access", "app_access": "access"}[genuine.claims["token_type"]]
    )
    scheme = "Bearer" if route.name == "logout" else dialect.phone.scheme
    headers = {name: f"{scheme} {raw}" for name, raw in forged.items()}
    headers |= monstrous_authorizations(scheme, genuine.raw)
    answers = {name: dialect.error(call.send(Authorization=header)) for name, header in headers.items()}
    assert answers == dict.fromkeys(headers, dialect.bad_token)
    untouched()


@each(TAKING_TOKENS)
def test_a_token_put_together_again_unspoilt_is_good_by_any_scheme_in_any_case(call, dialect, phone, subtests):
    # Without this check, the forgeries could all be refused for another reason that they share.
    token = call.token or phone.access_token
    again = Genuine(token).claiming()
    assert again != token
    for scheme in schemes(dialect):
        with subtests.test(scheme=scheme), undone():
            dialect.success(call.send(Authorization=f"{scheme} {again}"))


@each(TAKING_TOKENS)
def test_a_good_token_of_another_kind_is_refused_and_stays_good_where_it_belongs(call, dialect, phone, subtests):
    (other,) = (other.phone(InProcess(), device_token="x").sign_up() for other in DIALECTS.values() if other != dialect)
    kinds = ("access_token", "app_token", "refresh_token")
    tokens = {f"the other dialect's {kind}": getattr(other, kind, "") for kind in kinds}
    tokens["one's own refresh token"] = phone.refresh_token
    untouched = Untouched()
    for name, token in tokens.items():
        if token:
            with subtests.test(token=name):
                assert dialect.error(call.but(token=token).send()) == dialect.bad_token
    untouched()
    assert phone.me().status == other.me().status == 200


@each(TAKING_TOKENS)
def test_the_token_of_a_session_that_has_ended_is_refused(call, dialect, phone):
    token = call.token or phone.access_token
    session = Session.objects.filter(pk=Genuine(token).claims["sid"])
    end_sessions(session, actor=None, reason=EndReason.STAFF)
    untouched = Untouched()
    assert dialect.error(call.but(token=token).send()) == dialect.ended
    untouched()


@each(route for route in TAKING_TOKENS if not route.takes_expired)
def test_a_token_is_good_until_one_second_before_its_exp_and_expired_from_then_on(db, dialect, route, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        phone = new_phone(dialect)
        call = route.call(phone)
        call = call.but(token=call.token or phone.access_token)
        expires_at = datetime.fromtimestamp(Genuine(call.token).claims["exp"], UTC)
        untouched = Untouched()
        for moment in (expires_at, expires_at + SECOND):
            clock.move_to(moment)
            assert dialect.error(call.send()) == dialect.expired
        untouched()
        clock.move_to(expires_at - SECOND)
        give_code(phone)
        dialect.success(call.but(body=route.call(phone).body).send())


@each(IGNORING_TOKENS)
def test_a_dead_token_is_no_hindrance_where_none_is_needed(call, dialect, subtests):
    for header in (f"{dialect.phone.scheme} rubbish", "", dialect.phone.scheme, "x" * 100_000):
        with subtests.test(header=header[:20]), undone():
            dialect.success(call.send(Authorization=header))


# --- ZAP's: refresh tokens, expired ones that may log out, one app -----------------------------


@zap_only
def test_a_refresh_token_that_is_spoilt_or_of_another_kind_is_refused(good, phone):
    genuine, buddy = Genuine(phone.refresh_token), BuddyPhone(InProcess()).sign_up()
    tokens = {name: forge(genuine) for name, forge in FORGERIES.items()}
    tokens |= {"user-level": buddy.access_token, "app-level": buddy.app_token, "access": phone.access_token}
    untouched = Untouched()
    call = good("refresh")
    answers = {name: ZAP.error(call.with_fields(refreshToken=raw).send()) for name, raw in tokens.items()}
    assert answers == dict.fromkeys(tokens, ZAP.bad_token)
    untouched()
    assert phone.me().status == buddy.me().status == 200
    ZAP.success(call.with_fields(refreshToken=genuine.headed()).send())


@zap_only
def test_a_refresh_token_is_good_until_one_second_before_its_exp_and_expired_from_then_on(db, dialect, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        call = route_named(dialect, "refresh").call(new_phone(dialect))
        untouched, expires_at = Untouched(), datetime.now(UTC) + settings.SESSION_LIFETIME
        for moment in (expires_at, expires_at + SECOND):
            clock.move_to(moment)
            assert dialect.error(call.send()) == dialect.expired
            untouched()
        clock.move_to(expires_at - SECOND)
        dialect.success(call.send())


@each(route for route in BY_ID if route.takes_expired)
def test_an_expired_token_does_nothing_for_another_id_than_ones_own(db, dialect, route):
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False) as clock:
        phone = new_phone(dialect)
        call = route.call(phone).but(path=route.path_for(phone, User.objects.create_user(new_name()).pk))
        expires_at = datetime.fromtimestamp(Genuine(phone.access_token).claims["exp"], UTC)
        untouched = Untouched()
        clock.move_to(expires_at)
        assert dialect.error(call.send()) == dialect.expired
        untouched()
        clock.move_to(expires_at - SECOND)
        assert dialect.error(call.send()) == dialect.not_yours


@each(route for route in [*TAKING_TOKENS, route_named(ZAP, "refresh")] if route.dialect is ZAP)
def test_a_genuine_token_of_an_app_that_is_not_zaps_is_refused(call, phone, untouched, settings):
    settings.ZAP_APP = "Another"
    assert ZAP.error(call.but(token=phone.access_token).send()) == ZAP.bad_token
    settings.ZAP_APP = "ZAP"
    untouched()


# --- Buddy's: two levels, signatures -----------------------------------------------------------


# Both levels of token may change a device.
@each(route for route in BUDDYS if route.token == "access_token" and route.name != "change device")
def test_an_app_level_token_where_a_user_is_needed_is_told_so(call, phone, untouched):
    for content in (None, b"["):
        reply = call.but(token=phone.app_token).send(content)
        assert BUDDY.error(reply) == (403, "AuthUserAccessTokenRequired")
    untouched()


@each(BUDDYS)
def test_a_signed_apps_request_with_an_odd_signature_is_refused(db, route, subtests):
    signed = create_app("Signed", signed=True)
    phone = BuddyPhone(InProcess(), app_id=signed.app.pk, app_key=signed.key)
    phone.register_device()
    phone.username, phone.user_id, phone.code = "nobody", "0" * 24, "00000000"
    call, untouched = route.call(phone), Untouched()
    for signature in ("", "é", "x" * 64, "0" * 64, "0" * 100_000, "Ä" * 64, "%00", "x y"):
        with subtests.test(signature=signature[:10]):
            reply = call.send(Authorization=f"Buddy {phone.app_token} {signature}")
            refused = BUDDY.bad_token if " " in signature else (401, "AuthSignatureInvalid")
            assert BUDDY.error(reply) == refused
    untouched()
