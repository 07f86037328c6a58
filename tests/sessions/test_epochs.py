"""Orders work without clocks: a new epoch of an app or user refuses every earlier session."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from sessions.bulk.preview import Preview
from sessions.bulk.runs import start_run, sweep_run
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.selection import Selection
from sessions.sql.opening import open_session
from users.clock import database_now
from users.models import App, User

EVERYONE = Selection(everyone=True)


def order(selection):
    expected = Preview(selection).count
    return start_run(selection, source=BulkRun.Source.COMMAND, note="a test", expected=expected)


def count_up(owner):
    type(owner).objects.filter(pk=owner.pk).update(session_epoch=owner.session_epoch + 1)


def owner_of(phone, field):
    return getattr(Session.objects.get(user=phone.user_id), field)


@pytest.mark.parametrize("field", ["app", "user"])
def test_one_row_write_refuses_every_session_of_an_app_or_a_user(new_phone, field):
    phone = new_phone().sign_up()
    count_up(owner_of(phone, field))
    assert phone.me().status == 401


@pytest.mark.parametrize("field", ["app", "user"])
def test_an_older_copy_of_the_row_does_not_take_an_order_back(new_phone, field):
    phone = new_phone().sign_up()
    older_copy = owner_of(phone, field)
    count_up(older_copy)
    older_copy.save()  # writes all columns, as a form or a careless script does
    assert phone.me().status == 401
    assert owner_of(phone, field).session_epoch == 1


@pytest.mark.parametrize("field", ["app", "user"])
def test_an_older_copy_of_the_row_does_not_move_a_cut_off_back(new_phone, field):
    phone = new_phone().sign_up()
    older_copy = owner_of(phone, field)
    at = database_now()
    type(older_copy).objects.filter(pk=older_copy.pk).update(sessions_valid_after=at)
    older_copy.save()
    assert phone.me().status == 401
    assert owner_of(phone, field).sessions_valid_after == at


def test_a_session_that_is_opened_after_an_order_is_accepted_whatever_its_time(new_phone):
    phone = new_phone().sign_up()
    order(EVERYONE)
    phone.app_token = ""  # a Buddy phone registers its device again
    assert phone.log_in(phone.username).status == 200
    assert phone.me().status == 200


OF_BOTH = ({"session_epoch": 1}, {"is_active": False}, {"sessions_valid_after": "2026-03-01T12:00:00Z"})

OF_USERS = ({"deleted_at": "2026-03-01T12:00:00Z"}, {"is_staff": True}, {"password": "!new"})


@pytest.mark.parametrize(
    ("model", "write"),
    [*((model, write) for model in (App, User) for write in OF_BOTH), *((User, write) for write in OF_USERS)],
)
def test_whatever_refuses_sessions_commits_for_every_replica(db, model, write):
    row = App.objects.create(name="App") if model is App else User.objects.create_user("ann")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        model.objects.filter(pk=row.pk).update(**write)
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("remote_apply",)


def test_a_row_that_refuses_nobody_commits_as_the_database_is_set(db):
    user = User.objects.create_user("ann")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        User.objects.filter(pk=user.pk).update(name="Ann")
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("off",)


@pytest.mark.parametrize("of", ["everyone", "users"])
def test_a_login_under_way_at_the_order_is_refused_and_swept(transactional_db, of):
    app, ann = App.objects.create(name="App"), User.objects.create_user("ann")
    User.objects.create_user("bob")
    selection = EVERYONE if of == "everyone" else Selection(users=(ann.pk,))

    def give_order():
        try:
            return order(selection)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        session = Session(app=app, user=ann)
        open_session(session, lifetime=timedelta(days=1))
        run = pool.submit(give_order).result(20)
    assert Session.objects.select_related("app", "user").get().refusal(database_now())
    list(sweep_run(run))
    ended = Session.objects.get()
    assert (ended.end_reason, ended.bulk_run) == (EndReason.OPERATOR, run)


def test_the_admin_shows_no_field_to_set_an_epoch():
    for model in (App, User, Session):
        for field in model._meta.concrete_fields:
            assert field.editable is False or "epoch" not in field.name


@pytest.mark.only("zap")
def test_an_order_for_an_app_refuses_the_sessions_of_all_its_users(new_phone):
    first, second = new_phone().sign_up(), new_phone().sign_up()
    count_up(owner_of(first, "app"))
    assert (first.me().status, second.me().status) == (401, 401)
