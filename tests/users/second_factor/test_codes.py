"""Codes of a second factor: which ones are valid, and that each works once. pyotp plays the authenticator app."""

from datetime import UTC, datetime, timedelta
from threading import Barrier

import pyotp
import pytest
import time_machine
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL

from tests.phones import PASSWORD
from tests.threads import other_threads
from users.clock import database_now
from users.errors import SecondFactorEnabled, SecondFactorNotConfirmed
from users.models import RecoveryCode, SecondFactor, User
from users.sealing import Purpose, unseal
from users.second_factor.codes import Kind, use_code
from users.second_factor.enabling import begin, confirm, disable, has_factor
from users.second_factor.recovery import count_recovery_codes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)  # the first second of a time step
STEP = timedelta(seconds=30)


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann", PASSWORD)


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def app(ann, clock):
    """Ann's authenticator app. Its first code has been used to confirm the secret; the next step has begun."""
    app = pyotp.TOTP(begin(ann).base32)
    confirm(ann, app.now())
    clock.shift(STEP)
    return app


def test_a_secret_counts_after_a_right_code(ann, clock):
    app = pyotp.TOTP(begin(ann).base32)
    assert not has_factor(User.objects.get(pk=ann.pk))
    codes = confirm(ann, app.now())
    assert len(set(codes)) == 10
    assert has_factor(ann)
    assert has_factor(User.objects.get(pk=ann.pk))


@pytest.mark.parametrize("code", ["000000", "", "12345", "not a code", "\uff11\uff12\uff13\uff14\uff15\uff16"])
def test_a_wrong_code_confirms_nothing(ann, clock, code):
    app = pyotp.TOTP(begin(ann).base32)
    assert app.now() != code
    with pytest.raises(SecondFactorNotConfirmed):
        confirm(ann, code)
    assert not has_factor(User.objects.get(pk=ann.pk))
    assert not RecoveryCode.objects.exists()


def test_a_code_confirms_nothing_if_there_is_no_secret(ann):
    with pytest.raises(SecondFactorNotConfirmed):
        confirm(ann, "123456")


def test_a_secret_that_does_not_count_is_replaced(ann, clock):
    first, second = begin(ann), begin(ann)
    with pytest.raises(SecondFactorNotConfirmed):
        confirm(ann, pyotp.TOTP(first.base32).now())
    confirm(ann, pyotp.TOTP(second.base32).now())


def test_a_secret_that_counts_is_neither_replaced_nor_confirmed_again(ann, app):
    with pytest.raises(SecondFactorEnabled):
        begin(ann)
    with pytest.raises(SecondFactorEnabled):
        confirm(ann, app.now())
    assert use_code(ann, app.now()) is Kind.TOTP


def test_the_uri_is_one_that_another_library_reads(ann, clock, settings):
    settings.SERVICE_NAME = "Zap: Auth & Co"
    ann.username = "änn@home"
    made = begin(ann)
    read = pyotp.parse_uri(made.uri)
    assert (read.secret, read.digits, read.interval, read.digest().name) == (made.base32, 6, 30, "sha1")
    assert (read.name, read.issuer) == ("änn@home", "Zap Auth & Co")


@pytest.mark.parametrize(("steps", "is_valid"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_valid_one_step_early_or_late(ann, app, clock, steps, is_valid):
    clock.shift(10 * STEP)
    code = app.at(database_now() + steps * STEP)
    assert (use_code(ann, code) is Kind.TOTP) is is_valid


def test_a_code_ends_one_step_after_its_own(ann, app, clock):
    clock.move_to(NOON + 20 * STEP)
    code = app.now()
    clock.move_to(NOON + 22 * STEP)
    assert use_code(ann, code) is None
    clock.move_to(NOON + 22 * STEP - timedelta(seconds=1))
    assert use_code(ann, code) is Kind.TOTP


def test_a_code_works_once(ann, app):
    assert use_code(ann, app.now()) is Kind.TOTP
    assert use_code(ann, app.now()) is None


def test_the_code_that_confirmed_the_secret_does_not_let_in(ann, clock):
    app = pyotp.TOTP(begin(ann).base32)
    confirm(ann, app.now())
    assert use_code(ann, app.now()) is None


def test_an_earlier_code_is_refused_after_a_later_one(ann, app, clock):
    clock.shift(10 * STEP)
    assert use_code(ann, app.at(database_now() + STEP)) is Kind.TOTP
    assert use_code(ann, app.now()) is None


def test_a_code_may_be_typed_in_groups(ann, app):
    code = app.now()
    assert use_code(ann, f" {code[:3]} {code[3:]}") is Kind.TOTP


def test_the_database_decides_about_the_time(ann, app, clock, monkeypatch):
    code = app.now()
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr("django_otp.oath.time", lambda: 0.0)
    assert use_code(ann, code) is Kind.TOTP


def test_a_recovery_code_works_once(ann, clock):
    codes = confirm(ann, pyotp.TOTP(begin(ann).base32).now())
    assert use_code(ann, codes[0]) is Kind.RECOVERY_CODE
    assert use_code(ann, codes[0]) is None
    assert use_code(ann, codes[1]) is Kind.RECOVERY_CODE
    assert count_recovery_codes(ann) == 8


@pytest.mark.parametrize(
    "typed",
    [
        str.upper,
        lambda code: code.replace("-", ""),
        lambda code: f" {code.replace('-', ' ')} ",
        lambda code: code.replace("0", "O").replace("1", "l"),
    ],
    ids=["upper case", "no dashes", "blanks", "misread"],
)
def test_a_recovery_code_may_be_typed_in_other_ways(ann, clock, typed):
    codes = confirm(ann, pyotp.TOTP(begin(ann).base32).now())
    for code in codes:
        assert use_code(ann, typed(code)) is Kind.RECOVERY_CODE


def test_a_recovery_code_of_another_user_is_refused(ann, clock):
    ben = User.objects.create_user("ben", PASSWORD)
    codes = confirm(ann, pyotp.TOTP(begin(ann).base32).now())
    confirm(ben, pyotp.TOTP(begin(ben).base32).now())
    assert use_code(ben, codes[0]) is None


def test_the_database_has_neither_the_secret_nor_a_recovery_code_in_plain_text(ann, clock):
    secret = begin(ann).base32
    codes = confirm(ann, pyotp.TOTP(secret).now())
    stored = bytes(SecondFactor.objects.get().sealed_secret)
    assert secret.encode() not in stored
    assert pyotp.TOTP(secret).byte_secret() not in stored
    assert unseal(stored, Purpose.SECOND_FACTOR) == secret
    digests = b"".join(bytes(row.digest) for row in RecoveryCode.objects.all())
    assert not [code for code in codes if code.replace("-", "").encode() in digests]


def test_disabling_forgets_the_secret_and_the_recovery_codes(ann, app):
    assert disable(ann)
    assert not has_factor(User.objects.get(pk=ann.pk))
    assert use_code(ann, app.now()) is None
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert not disable(ann)


def test_a_factor_works_after_a_change_of_the_secret_key(ann, app, clock, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    assert use_code(ann, app.now()) is Kind.TOTP
    settings.SECRET_KEY_FALLBACKS = []  # the secret was encrypted again
    clock.shift(STEP)
    assert use_code(ann, app.now()) is Kind.TOTP


def test_no_code_of_the_app_is_valid_if_the_key_is_lost(ann, clock, settings, caplog):
    app = pyotp.TOTP(begin(ann).base32)
    codes = confirm(ann, app.now())
    clock.shift(STEP)
    settings.SECRET_KEY = "another key"
    assert use_code(ann, app.now()) is None
    assert f"The second factor of user {ann.pk} can't be checked" in caplog.text
    assert use_code(ann, codes[0]) is Kind.RECOVERY_CODE


def test_an_older_copy_of_the_user_does_not_switch_the_factor_off_or_on(ann, clock):
    older = User.objects.get(pk=ann.pk)
    confirm(ann, pyotp.TOTP(begin(ann).base32).now())
    older.name = "Ann"
    older.save()
    stored = User.objects.get(pk=ann.pk)
    assert (stored.name, has_factor(stored)) == ("Ann", True)
    disable(ann)
    stored.save()
    assert not has_factor(User.objects.get(pk=ann.pk))


@pytest.mark.parametrize("kind", [Kind.TOTP, Kind.RECOVERY_CODE])
def test_of_two_requests_with_one_code_at_once_one_succeeds(transactional_db, kind):
    ann = User.objects.create_user("ann", PASSWORD)
    app = pyotp.TOTP(begin(ann).base32)
    now = database_now()
    codes = confirm(ann, app.at(now))
    code = app.at(now + STEP) if kind is Kind.TOTP else codes[0]
    barrier = Barrier(4)

    def use():
        barrier.wait()
        return use_code(ann, code)

    with other_threads(4) as start:
        shown = [future.result() for future in [start(use) for _ in range(4)]]
    assert sorted(shown, key=str) == [None, None, None, kind]


def test_two_confirmations_at_once_make_one_set_of_recovery_codes(transactional_db):
    ann = User.objects.create_user("ann", PASSWORD)
    code = pyotp.TOTP(begin(ann).base32).at(database_now())
    barrier = Barrier(4)

    def try_to_confirm():
        barrier.wait()
        try:
            return confirm(User.objects.get(pk=ann.pk), code)
        except SecondFactorEnabled:
            return None

    with other_threads(4) as start:
        made = [future.result() for future in [start(try_to_confirm) for _ in range(4)]]
    assert len([codes for codes in made if codes]) == 1
    assert RecoveryCode.objects.count() == 10


def test_the_trigger_can_be_undone_and_made_again(ann):
    migration = MigrationLoader(connection).get_migration("users", "0003_second_factor")
    (trigger,) = (operation for operation in migration.operations if isinstance(operation, RunSQL))
    row = User.objects.filter(pk=ann.pk)
    with connection.cursor() as cursor:
        cursor.execute(trigger.reverse_sql)
        row.update(second_factor_since=NOON)
        assert row.get().second_factor_since == NOON
        cursor.execute(trigger.sql)
    row.update(second_factor_since=None)
    assert row.get().second_factor_since == NOON


@pytest.mark.parametrize("act", ["switch on", "switch off"])
def test_the_change_commits_for_every_replica(ann, clock, act):
    app = pyotp.TOTP(begin(ann).base32)
    if act == "switch off":
        confirm(ann, app.now())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        confirm(ann, app.now()) if act == "switch on" else disable(ann)
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("remote_apply",)
