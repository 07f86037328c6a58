"""No door lets a user in by the password alone once they have a second factor."""

import ast
import inspect
import re
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from sessions.authentication import get_live_session
from sessions.login import by_cookie, new_session, on_device, with_refresh
from sessions.models import Session
from sessions.tokens.jwt import AnyAccessToken
from tests.environment import ROOT
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, work_of
from tests.second_factor import give_factor, log_in_with
from tests.sessions.staff import browser_of, is_in
from users.callers import Caller
from users.clients import get_admin_app
from users.credentials import get_user_by_username, use_own_code
from users.errors import BadCredentials, SecondFactorInvalid, SecondFactorRequired, TooManyAttempts
from users.models import User
from users.origin import Origin
from users.second_factor.codes import Kind

HERE = Origin(ip="192.0.2.1")


@pytest.fixture
def ann(clock):
    return ZapPhone(InProcess(), device_token="phone").sign_up()


@pytest.fixture
def boss(clock):
    return User.objects.create_superuser("boss", PASSWORD)


def log_in_with_refresh(user):
    with_refresh.log_in_with_refresh(user, device_token=None, origin=HERE)


def log_in_on_device(user):
    device = BuddyPhone(InProcess())
    device._ready()
    current = get_live_session(AnyAccessToken.read(device.app_token))
    on_device.log_in_on_device(user, current=current, origin=HERE)


def log_in_by_cookie(user):
    by_cookie.log_in_by_cookie(user, app=get_admin_app(), origin=HERE)


DOORS = {
    "log_in_with_refresh": log_in_with_refresh,
    "log_in_on_device": log_in_on_device,
    "log_in_by_cookie": log_in_by_cookie,
}


def functions_that_use(name):
    """Return the functions in `sessions.login` that use the function of that name, bare or as `sql.name`."""
    return {
        function.name
        for module in (with_refresh, on_device, by_cookie, new_session)
        for function in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if name in (getattr(node, "id", ""), ast.unparse(node) if isinstance(node, ast.Attribute) else "")
    }


def files_with(pattern):
    """Return the product's files that have a match of that regular expression."""
    sources = [path for folder in ("sessions", "users", "zapauth") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)) for path in sources if re.search(pattern, path.read_text())}


def test_these_are_all_the_doors():
    assert functions_that_use("require_factor") == DOORS.keys()
    # What opens or renews a user's session: the doors, and a function that one of them calls.
    opening = functions_that_use("open_for_user") | functions_that_use("_go_on")
    assert opening == {"log_in_by_cookie", "_log_in_among_others"}
    assert functions_that_use("_log_in_among_others") == {"log_in_on_device"}
    assert functions_that_use("sql.log_in") == {"log_in_with_refresh"}
    assert functions_that_use("sql.log_in_on_device") == {"log_in_on_device"}
    assert functions_that_use("sql.open_session") == {"open_app_session", "open_for_user"}
    in_login = {f"sessions/login/{name}.py" for name in ("by_cookie", "new_session", "on_device")}
    assert files_with("open_for_user") == in_login
    # Only the modules of log-ins run the statements that open or renew a session. `admission` only notes one.
    modules = "(opening|login_at_once|login_in_steps)"
    assert files_with(rf"from sessions\.sql(\.{modules} | import (.*\b)?{modules}\b)") == {
        *(f"sessions/login/{name}.py" for name in ("admission", "new_session", "on_device", "with_refresh")),
        "sessions/sql/login_at_once.py",  # what it imports opens nothing
        "sessions/upkeep/canary.py",  # opens sessions of the canary's account only
    }


@pytest.mark.parametrize("door", DOORS)
def test_no_door_opens_for_a_user_who_has_not_shown_their_factor(ann, door):
    DOORS[door](User.objects.get(pk=ann.user_id))
    give_factor(ann.user_id)
    user, before = User.objects.get(pk=ann.user_id), Session.objects.exclude(user=None).count()
    with pytest.raises(SecondFactorRequired):
        DOORS[door](user)
    assert Session.objects.exclude(user=None).count() == before
    user.shown_factor = Kind.TOTP
    DOORS[door](user)
    assert Session.objects.exclude(user=None).count() == before + 1


@pytest.mark.parametrize("door", DOORS)
def test_a_log_in_that_overlaps_the_switching_on_is_refused(ann, door):
    checked = get_user_by_username(ann.username, PASSWORD, caller=Caller())
    give_factor(ann.user_id)
    with pytest.raises(BadCredentials):
        DOORS[door](checked)


# --- the admin ----------------------------------------------------------------------------------


def test_the_admins_form_does_not_let_a_user_with_a_factor_in_by_password(boss):
    give_factor(boss.pk)
    browser = Client()
    form = {"username": "boss", "password": PASSWORD, "next": "/admin/"}
    assert browser.post("/admin/login/", form).headers["location"].startswith("/admin/login/code/")
    assert not is_in(browser)


def test_djangos_authenticate_takes_the_code(boss):
    app, _ = give_factor(boss.pk)
    assert authenticate(None, username="boss", password=PASSWORD) is None
    assert authenticate(None, username="boss", password=PASSWORD, code=app.wrong_code()) is None
    assert authenticate(None, username="boss", password="wrong-horse-1", code=app.code()) is None
    found = authenticate(None, username="boss", password=PASSWORD, code=app.code())
    assert found == boss
    log_in_by_cookie(found)
    assert authenticate(None, username="boss", password=PASSWORD, code=app.code()) is None


def test_staff_with_a_factor_stay_logged_in_when_they_change_their_password(boss):
    browser = browser_of(boss)
    give_factor(boss.pk)
    form = {"old_password": PASSWORD, "new_password1": "another-pass-2", "new_password2": "another-pass-2"}
    assert browser.post("/admin/password_change/", form).status_code == 302
    assert is_in(browser)


# --- a code without the password ----------------------------------------------------------------


def test_an_own_code_works_once_and_wrong_ones_count_with_the_log_ins(ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900)}
    app, codes = give_factor(ann.user_id)
    user = User.objects.get(pk=ann.user_id)
    assert use_own_code(user, app.code(), caller=Caller()) is Kind.TOTP
    assert use_own_code(user, codes[0], caller=Caller()) is Kind.RECOVERY_CODE
    for code in (app.code(), codes[0], app.wrong_code()):
        with pytest.raises(SecondFactorInvalid):
            use_own_code(user, code, caller=Caller())
    with pytest.raises(TooManyAttempts):
        use_own_code(user, codes[1], caller=Caller())


def test_an_own_code_does_not_start_the_count_of_wrong_passwords_anew(ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900)}
    _, codes = give_factor(ann.user_id)
    user = User.objects.get(pk=ann.user_id)
    for _ in range(2):
        with pytest.raises(BadCredentials):
            get_user_by_username(ann.username, "wrong-horse-1", caller=Caller())
        assert use_own_code(user, codes.pop(), caller=Caller()) is Kind.RECOVERY_CODE
    with pytest.raises(BadCredentials):
        get_user_by_username(ann.username, "wrong-horse-1", caller=Caller())
    with pytest.raises(TooManyAttempts):
        use_own_code(user, codes.pop(), caller=Caller())


# --- what it costs ------------------------------------------------------------------------------


def test_a_user_without_a_factor_costs_no_further_statement(ann, clock):
    for _ in range(2):
        plain = work_of(lambda: log_in_with(ann, PASSWORD))
    app, _ = give_factor(ann.user_id)
    clock.shift(timedelta(seconds=30))
    code = app.code()
    secured = work_of(lambda: log_in_with(ann, PASSWORD, code))
    assert (plain.hashes, secured.hashes) == (1, 1)
    # Count the code, read the secret, use up the code, take back the count.
    assert secured.statements == plain.statements + 4
