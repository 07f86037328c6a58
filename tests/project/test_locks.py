"""The table of locks in docs/architecture.md matches the code: the test reads `pg_locks` after each statement."""

import re
from contextlib import contextmanager
from types import SimpleNamespace

import pyotp
import pytest
from django.db import connection, transaction
from django.utils import timezone

from sessions import (
    accounts,
    devices,
    factor,
    invitations,
    logout,
    not_me,
    passwords,
    pushes,
    revocation,
    sessions_of_user,
    timeouts,
    verification,
)
from sessions.authentication import get_live_session
from sessions.bulk import app_orders, orders, runs
from sessions.login.by_cookie import log_in_by_cookie
from sessions.login.on_device import log_in_on_device, sign_up_on_device
from sessions.login.with_refresh import log_in_with_refresh
from sessions.models import BulkRun, Session
from sessions.restore import undo
from sessions.restore.ended_file import Record
from sessions.rotation import orders as orders_of_keys
from sessions.selection.selection import Selection
from sessions.tokens.jwt import AnyAccessToken
from sessions.tokens.keys import new_private_key_pem
from sessions.upkeep import canary_access
from sessions.upkeep.canary import open_zap_session
from tests.environment import ROOT
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, new_name
from users.canary import CANARY_ID
from users.clients import create_app, get_admin_app, get_zap_app
from users.login_attempts import Attempt
from users.models import Access, App, User
from users.one_use_links import Purpose as LinkPurpose
from users.one_use_links import find_link, make_link
from users.origin import Origin
from users.reset_codes import Purpose, issue_code
from users.second_factor.enabling import begin, confirm
from users.second_factor.enabling import disable as disable_factor_of
from users.statement import Statement
from users.throttling import Allowance

TABLES = {
    "users_app": "app",
    "users_user": "user",
    "users_onetimecode": "code",
    "users_oneuselink": "code",
    "users_secondfactor": "factor",
    "users_recoverycode": "factor",
    "user_sessions_bulkrun": "run",
    "user_sessions_session": "session",
    "users_device": "device",
    "users_devicetoken": "address",
    "users_throttle": "throttle",
    "user_sessions_signingkey": "key",
}
ORDER = list(dict.fromkeys(TABLES.values()))
HERE = Origin(ip="192.0.2.1")
HELD = """
SELECT c.relname, bool_or(l.mode = 'RowExclusiveLock')
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.pid = pg_backend_pid() AND l.mode IN ('RowShareLock', 'RowExclusiveLock') GROUP BY 1
"""


def documented():
    """Return the locks in the table, by the function's dotted name."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `([^|]+) \| ([a-z, ]+) \|$", text, re.MULTILINE)
    return {code.replace("`", ""): locks.split(", ") for code, locks in rows}


class Locks:
    """Records, for each transaction, the tables in which it locks rows, in order."""

    def __init__(self):
        self.transactions = [[]]
        self._held = set()

    def note(self, sql):
        with connection.connection.cursor() as cursor:
            held = dict(cursor.execute(HELD).fetchall())
        if not self._held <= held.keys():  # a transaction holds its locks until it ends
            self.transactions.append([])
            self._held = set()
        new = {TABLES[table] for table in held if table in TABLES and self._locks(sql, table, writes=held[table])}
        noted = self.transactions[-1]
        noted += sorted(new - set(noted), key=ORDER.index)
        self._held |= held.keys()

    @staticmethod
    def _locks(sql, table, *, writes):
        """Return whether a statement locks existing rows. An INSERT and a foreign key don't count."""
        if writes and re.search(
            rf'(UPDATE|DELETE FROM) "?{table}\b|INTO "?{table}\b(?:(?!INSERT INTO).)*DO UPDATE', sql, re.DOTALL
        ):
            return True
        # After OF stands a table's name or an alias. With an alias, each table of the statement counts.
        locked = re.findall(r"FOR (?:NO KEY )?UPDATE(?: OF (\w+))?", sql)
        return table in sql and any(name == table or name not in TABLES for name in locked)


@contextmanager
def watched(monkeypatch):
    locks, run = Locks(), Statement._run

    def execute(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        locks.note(sql)
        return result

    def run_prepared(self, on, values):
        rows = run(self, on, values)
        if connection.in_atomic_block:
            locks.note(self.sql)
        return rows

    with monkeypatch.context() as patched, connection.execute_wrapper(execute):
        patched.setattr(Statement, "_run", run_prepared)
        yield locks


def authenticated(phone, token=None):
    return get_live_session(AnyAccessToken.read(token or phone.access_token))


@pytest.fixture
def people(transactional_db, settings):
    """Anna in ZAP and ben in Buddy, each with a push address, and a member of staff."""
    get_zap_app()
    anna = ZapPhone(InProcess(), device_token="of anna").sign_up()
    app = create_app("Buddy app")
    ben = BuddyPhone(InProcess(), device_token="of ben", app_id=app.app.pk, app_key=app.key).sign_up()
    boss = User.objects.create_superuser("boss", PASSWORD)
    return SimpleNamespace(
        anna=anna,
        ben=ben,
        boss=boss,
        anna_user=User.objects.get(pk=anna.user_id),
        ben_user=User.objects.get(pk=ben.user_id),
        app=app.app,
        settings=settings,
    )


def zap_log_in(its):
    with transaction.atomic():  # by itself it is one statement, and commits at once
        log_in_with_refresh(its.anna_user, device_token="of anna", origin=HERE)


def zap_log_in_over_the_limit(its):
    its.settings.SESSIONS_PER_USER = 1
    zap_log_in(its)
    its.settings.SESSIONS_PER_USER = 0


def buddy_log_in(its):
    its.ben_user.attempt = Attempt((Allowance("login", "ben"),), ())
    log_in_on_device(its.ben_user, current=authenticated(its.ben), origin=HERE)


def buddy_sign_up(its):
    its.ben.log_out()  # while he is logged in there, the device's push address stays with him
    current = authenticated(its.ben, its.ben.app_token)
    sign_up_on_device(current=current, origin=HERE, username=new_name(), password=PASSWORD)
    its.ben.log_in(its.ben.username)


def admin_log_in(its):
    app = get_admin_app()
    first = log_in_by_cookie(its.boss, app=app, origin=HERE)
    log_in_by_cookie(its.boss, app=app, origin=HERE, instead_of=first)


def register(its):
    devices.open_device_session(its.app, unique_id=new_name(), push_token="of nobody", origin=HERE, model="Pixel")


def change_device(its):
    devices.change_device(authenticated(its.ben), push_token=new_name(), model="Pixel 8")


def report_gone(its):
    its.anna.log_in(its.anna.username)
    pushes.detach_gone({"of anna": None}, by=pushes.Caller(its.app, Access.ALL), origin=HERE)


def log_out(its, device_token=None):
    its.anna.log_in(its.anna.username)
    with transaction.atomic():
        logout.log_out(authenticated(its.anna), device_token=device_token, origin=HERE)


def log_out_with_others(its):
    its.anna.log_in(its.anna.username)
    log_out(its, device_token="of anna")


def log_out_in_buddy(its):
    with transaction.atomic():
        devices.log_out_of_device(authenticated(its.ben), origin=HERE)
    its.ben.log_in(its.ben.username)


def log_out_by_staff(its):
    its.anna.log_in(its.anna.username)
    current = Session.objects.get(pk=log_in_by_cookie(its.boss, app=get_admin_app(), origin=HERE).pk)
    current.checked_at = timezone.now()
    logout.log_out_user(its.anna.user_id, actor=its.boss, current=current, device_token="of anna", origin=HERE)


def revoke(its):
    its.anna.log_in(its.anna.username)
    revocation.revoke(its.anna.access_token, by=get_zap_app(), only_own=False, origin=HERE)


def log_out_everywhere(its):
    its.anna.log_in(its.anna.username)
    current = authenticated(its.anna)
    sessions_of_user.log_out_scope(
        its.anna.user_id, sessions_of_user.Scope.ALL, current=current, actor=its.anna_user, origin=HERE
    )


def time_out(its):
    its.anna.log_in(its.anna.username)
    Session.objects.filter(user=its.anna_user, ended_at=None).update(expires_at=timezone.now())
    timeouts.end_timed_out()


def order(**filters):
    return runs.start_run(Selection(**filters), source=BulkRun.Source.COMMAND, note="", expected=99)


def sweep(its):
    its.anna.log_in(its.anna.username)
    list(runs.sweep_run(order(users=(its.anna.user_id,))))


def disable(its):
    its.anna.log_in(its.anna.username)
    orders.disable_user(its.anna.user_id, actor=its.boss, origin=HERE, note="lost")
    User.objects.filter(pk=its.anna.user_id).update(is_active=True)


def enable(its):
    its.anna.log_in(its.anna.username)
    User.objects.filter(pk=its.anna.user_id).update(is_active=False)
    accounts.enable_user(its.anna.user_id, actor=its.boss, origin=HERE)


def switch_app_off(its):
    app_orders.switch_off(its.app, actor=its.boss, origin=HERE, note="broken", expected=99)
    app_orders.switch_on(its.app, actor=its.boss, origin=HERE, note="")


def cut_app_off(its):
    app_orders.cut_off(its.app, actor=its.boss, origin=HERE, note="leak", expected=99)


def change_password(its):
    its.anna.log_in(its.anna.username)
    user = User.objects.get(pk=its.anna.user_id)
    issue_code(user)
    passwords.set_own_password(user, PASSWORD, origin=HERE)


def reset_password(its):
    its.anna.log_in(its.anna.username)
    code = issue_code(User.objects.get(pk=its.anna.user_id))
    passwords.reset_password(its.anna.username, code=code, new_password=PASSWORD, origin=HERE)


def verify(its):
    user = User.objects.get(pk=its.anna.user_id)
    User.objects.filter(pk=user.pk).update(email_verified=False)
    code = issue_code(user, purpose=Purpose.EMAIL)
    verification.verify_email(user.email, code=code, origin=HERE)


def enable_in_form(its):
    user = User.objects.get(pk=its.anna.user_id)
    make_link(user, purpose=LinkPurpose.NOT_ME, address=user.email)
    accounts.change_in_admin(user, by={"actor": its.boss}, is_active=True)


def disown(its):
    its.anna.log_in(its.anna.username)
    user = User.objects.get(pk=its.anna.user_id)
    issue_code(user)
    token = make_link(user, purpose=LinkPurpose.NOT_ME, address=user.email)
    not_me.disown(find_link(token, LinkPurpose.NOT_ME), origin=HERE)
    user.set_password(PASSWORD)
    user.save()


def delete(its):
    phone = ZapPhone(InProcess(), device_token="of cleo").sign_up()
    user = User.objects.get(pk=phone.user_id)
    issue_code(user)
    accounts.delete_user(user.pk, actor=user, current=authenticated(phone), origin=HERE)


def begin_factor(its):
    its.anna.log_in(its.anna.username)
    factor.begin_factor(its.anna.user_id, actor=its.anna_user, current=authenticated(its.anna), origin=HERE)


def confirm_factor(its):
    user = User.objects.get(pk=its.anna.user_id)
    code = pyotp.TOTP(begin(user).base32).at(timezone.now())
    phone, current = ZapPhone(InProcess(), device_token="of both"), authenticated(its.anna)
    phone.log_in(its.anna.username)
    factor.confirm_factor(user.pk, code=code, end_others=True, actor=user, current=current, origin=HERE)
    disable_factor_of(user)


def disable_factor(its):
    user = User.objects.get(pk=its.anna.user_id)
    its.anna.log_in(its.anna.username)
    phone, current = ZapPhone(InProcess(), device_token="of both"), authenticated(its.anna)
    phone.log_in(its.anna.username)
    confirm(user, pyotp.TOTP(begin(user).base32).at(timezone.now()))
    factor.disable_factor(user.pk, password=PASSWORD, end_others=True, actor=user, current=current, origin=HERE)


def renew_recovery_codes(its):
    user = User.objects.get(pk=its.anna.user_id)
    its.anna.log_in(its.anna.username)
    confirm(user, pyotp.TOTP(begin(user).base32).at(timezone.now()))
    factor.renew_recovery_codes(user, current=authenticated(its.anna), origin=HERE)
    disable_factor_of(user)


def switch_off_factor(its):
    user = User.objects.get(pk=its.anna.user_id)
    its.anna.log_in(its.anna.username)
    confirm(user, pyotp.TOTP(begin(user).base32).at(timezone.now()))
    factor.switch_off_factor(user, actor=its.boss, ends_sessions=True, origin=HERE)


def close_canary(its):
    open_zap_session()
    canary = User.objects.get(pk=CANARY_ID)
    canary.set_password(PASSWORD)
    canary.save()
    ZapPhone(InProcess(), device_token="of the canary").log_in(canary.username)
    canary_access.close_canary()


def restore(its):
    phone = ZapPhone(InProcess(), device_token="of dora").sign_up()
    now = timezone.now()
    record = Record(since=now, exported_at=now, digest="0", deleted={phone.user_id: now}, apps_disabled={its.app.pk})
    undo.refuse_undone(undo.find_undone(record), record, note="", operator="")
    App.objects.update(is_active=True)


def report_leak(its):
    orders_of_keys.report_leak(new_private_key_pem(), hand_over=lambda _: None, note="", by="")


def invited(its):
    wanted = invitations.Invitation(f"{new_name()}@example.org", is_superuser=True)
    its.settings.PUBLIC_URL = "https://auth.example.org"
    return invitations.invite(wanted, actor=its.boss, origin=HERE)


def invite_again(its):
    invitations.send_again(invited(its).pk, actor=its.boss, origin=HERE)


def withdraw_invitation(its):
    invitations.withdraw(invited(its).pk, actor=its.boss, origin=HERE)


def accept_invitation(its):
    user = invited(its)
    link = find_link(make_link(user, purpose=LinkPurpose.INVITATION, address=user.email), LinkPurpose.INVITATION)
    issue_code(user)
    invitations.accept(link, username=new_name(), password=PASSWORD, origin=HERE)


ACTS = {
    "sessions.login.with_refresh.log_in_with_refresh": zap_log_in,
    "sessions.login.with_refresh.log_in_with_refresh with a limit": zap_log_in_over_the_limit,
    "sessions.login.on_device.log_in_on_device": buddy_log_in,
    "sessions.login.on_device.sign_up_on_device": buddy_sign_up,
    "sessions.login.by_cookie.log_in_by_cookie": admin_log_in,
    "sessions.devices.open_device_session": register,
    "sessions.devices.change_device": change_device,
    "sessions.pushes.detach_gone": report_gone,
    "sessions.logout.log_out": log_out,
    "sessions.logout.log_out with a device token": log_out_with_others,
    "sessions.devices.log_out_of_device": log_out_in_buddy,
    "sessions.logout.log_out_user": log_out_by_staff,
    "sessions.revocation.revoke": revoke,
    "sessions.sessions_of_user.log_out_scope": log_out_everywhere,
    "sessions.timeouts.end_timed_out": time_out,
    "sessions.bulk.runs.start_run for everyone": lambda _: order(everyone=True),
    "sessions.bulk.runs.start_run for users": lambda its: order(users=(its.anna.user_id,)),
    "sessions.bulk.runs.sweep_run": sweep,
    "sessions.bulk.orders.disable_user": disable,
    "sessions.accounts.enable_user": enable,
    "sessions.bulk.app_orders.switch_off": switch_app_off,
    "sessions.bulk.app_orders.cut_off": cut_app_off,
    "sessions.passwords.set_own_password": change_password,
    "sessions.passwords.reset_password": reset_password,
    "sessions.verification.verify_email": verify,
    "sessions.accounts.change_in_admin": enable_in_form,
    "sessions.not_me.disown": disown,
    "sessions.accounts.delete_user": delete,
    "sessions.factor.begin_factor": begin_factor,
    "sessions.factor.confirm_factor": confirm_factor,
    "sessions.factor.disable_factor": disable_factor,
    "sessions.factor.renew_recovery_codes": renew_recovery_codes,
    "sessions.factor.switch_off_factor": switch_off_factor,
    "sessions.upkeep.canary_access.close_canary": close_canary,
    "sessions.invitations.send_again": invite_again,
    "sessions.invitations.withdraw": withdraw_invitation,
    "sessions.invitations.accept": accept_invitation,
    "sessions.rotation.orders.report_leak": report_leak,
    "sessions.restore.undo.refuse_undone": restore,
}


def test_each_transaction_locks_what_the_documentation_says_in_the_one_order(people, monkeypatch, subtests):
    table = documented()
    assert table.keys() == ACTS.keys()
    for code, act in ACTS.items():
        with subtests.test(code=code):
            with watched(monkeypatch) as locks:
                act(people)
            assert table[code] in locks.transactions
            for noted in locks.transactions:
                assert noted == sorted(noted, key=ORDER.index)


def test_the_order_in_the_documentation_is_the_one_that_is_checked():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert f"**{' → '.join(ORDER)}**" in text
