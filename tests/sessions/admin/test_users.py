"""A user's page in the admin: their sessions, the credentials that work for them, and how to end both."""

from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.utils import timezone
from uuid6 import uuid7

from sessions.bulk import orders
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone
from tests.sessions.population import new_session
from tests.sessions.staff import LIST, browser_of, new_staff, told, user_url
from users import claiming
from users.models import App, DeviceToken, SecurityEvent, User
from users.record.events import Event
from users.reset_codes import issue_code


def page_of(browser, user_id):
    return browser.get(user_url(user_id)).context["of_user"]


def test_the_page_shows_where_a_user_is_logged_in_and_never_a_device_token(supporter):
    phone = BuddyPhone(InProcess(), device_token="push-address-of-ann").sign_up("ann")
    page = supporter.get(user_url(phone.user_id))
    (row,) = page.context["of_user"].open_sessions
    assert row.is_live
    text = page.content.decode()
    for shown in ("Android", "127.0.0.1", row.session.app.name, "Who can still act as this user?"):
        assert shown in text
    assert "push-address-of-ann" not in text
    assert PASSWORD not in text
    assert User.objects.get(username="ann").password not in text


def test_one_session_is_ended_and_the_others_go_on(supporter):
    phone = ZapPhone(InProcess()).sign_up("ann")
    tablet = ZapPhone(InProcess())
    tablet.log_in("ann")
    stolen = Session.objects.filter(user=phone.user_id).order_by("created_at").first()
    question = supporter.get(f"{LIST}{stolen.pk}/end/")
    assert "The user&#x27;s other sessions go on." in question.content.decode()
    assert phone.me().status == 200  # looking changes nothing
    page = supporter.post(f"{LIST}{stolen.pk}/end/", {"note": "Phone stolen"}, follow=True)
    assert "1 session ended" in told(page)
    assert (phone.me().status, tablet.me().status) == (401, 200)
    assert "Phone stolen" in page.content.decode()
    assert [(row.end_reason, row.end_note) for row in page.context["of_user"].ended] == [
        (EndReason.STAFF, "Phone stolen")
    ]


def test_all_sessions_of_a_user_are_ended_and_nobody_elses(supporter):
    phones = [ZapPhone(InProcess(), device_token=f"push {n}") for n in range(3)]
    phones[0].sign_up("ann")
    for phone in phones[1:]:
        phone.log_in("ann")
    other = ZapPhone(InProcess()).sign_up()
    page = supporter.post(user_url(phones[0].user_id, "log_out"), {"note": ""}, follow=True)
    assert "3 sessions ended" in told(page)
    assert [phone.me().status for phone in [*phones, other]] == [401, 401, 401, 200]
    assert not DeviceToken.objects.filter(user=phones[0].user_id).exists()
    assert BulkRun.objects.get().cut_off
    # The user may log in again.
    assert phones[0].log_in("ann").status == 200


def test_disabling_ends_everything_and_says_that_nobody_can_act_as_the_user_any_more(operator):
    phone = BuddyPhone(InProcess(), device_token="push").sign_up("ann")
    user = User.objects.get(username="ann")
    issue_code(user)
    kinds = {credential.kind for credential in page_of(operator, user.pk).summary.credentials}
    assert kinds >= {"password", "Android app", "device token", "reset code"}
    page = operator.post(user_url(user.pk, "disable"), {"note": "Fraud, ticket 12"}, follow=True)
    assert "The account ann is disabled. 1 session ended." in told(page)
    assert (phone.me().status, phone.log_in("ann").status) == (401, 403)
    session = Session.objects.get(user=user)
    assert (session.end_reason, session.bulk_run.note) == (EndReason.USER_DISABLED, "Fraud, ticket 12")
    entry = SecurityEvent.objects.get(event=Event.USER_DISABLED)
    assert (entry.user, entry.actor, entry.details["note"]) == (
        user,
        User.objects.get(username="olga"),
        "Fraud, ticket 12",
    )
    left = {credential.kind for credential in page.context["of_user"].summary.credentials}
    assert left == {"app token"}  # as the device, not as the user
    assert "Nobody. No password" in page.content.decode()
    Session.objects.filter(user=None).update(ended_at=session.ended_at, end_reason=EndReason.STAFF)
    assert "Nobody. No password" in operator.get(user_url(user.pk)).content.decode()


def test_an_account_is_enabled_after_a_confirmation_and_sessions_that_were_left_open_end(operator):
    phone = ZapPhone(InProcess()).sign_up("ann")
    ann = User.objects.get(username="ann")
    User.objects.filter(pk=ann.pk).update(is_active=False)  # as a script would: the session is not ended
    assert page_of(operator, ann.pk).may_enable
    question = operator.get(user_url(ann.pk, "enable"))
    assert "Enable the account ann?" in question.content.decode()
    assert not User.objects.get(pk=ann.pk).is_active  # looking changes nothing
    page = operator.post(user_url(ann.pk, "enable"), {"note": "It was a mistake"}, follow=True)
    assert "The account ann is enabled." in told(page)
    assert (phone.me().status, phone.log_in("ann").status) == (401, 200)
    entry = SecurityEvent.objects.get(event=Event.USER_ENABLED)
    assert (entry.user, entry.actor.username, entry.details["note"]) == (ann, "olga", "It was a mistake")
    again = operator.post(user_url(ann.pk, "enable"), {"note": ""}, follow=True)
    assert "The account is enabled already." in told(again)
    assert SecurityEvent.objects.filter(event=Event.USER_ENABLED).count() == 1


def test_only_who_may_disable_an_account_may_enable_it(supporter, operator):
    ann = User.objects.create_user("ann", PASSWORD, is_active=False)
    colleague = User.objects.create_user("colleague", PASSWORD, is_active=False, is_staff=True)
    gone = User.objects.create_user("gone", PASSWORD, is_active=False, deleted_at=timezone.now())
    for browser, user in ((supporter, ann), (operator, colleague), (operator, gone)):
        assert not page_of(browser, user.pk).may_enable
        assert browser.post(user_url(user.pk, "enable"), {"note": ""}).status_code == 403
    assert not User.objects.filter(pk__in=[ann.pk, colleague.pk, gone.pk], is_active=True).exists()


def test_no_page_offers_to_save_and_add_another(operator):
    ann = User.objects.create_user("ann", PASSWORD)
    boss = browser_of(new_staff(name="boss"))
    pages = (user_url(ann.pk), "/admin/users/user/add/", "/admin/auth/group/1/change/", "/admin/auth/group/add/")
    for url in (*pages, f"/admin/users/app/{App.objects.first().pk}/change/"):
        text = boss.get(url).content.decode()
        assert 'name="_save"' in text, url
        assert "_addanother" not in text, url
        assert "_continue" not in text, url


def test_a_saved_user_is_shown_again_in_plain_words(operator):
    ann = User.objects.create_user("ann", PASSWORD)
    sent = {"username": "ann", "name": "Ann", "is_active": "on"}
    page = operator.post(user_url(ann.pk), sent, follow=True)
    assert page.request["PATH_INFO"] == user_url(ann.pk)
    assert told(page) == "The user ann was saved."


def test_who_may_do_what_to_whom(supporter, operator):
    boss, colleague = new_staff(name="boss"), new_staff("Support", name="colleague")
    ann = User.objects.create_user("ann", PASSWORD)
    buttons = {
        (staff, whom): (page.may_end, page.may_disable)
        for staff, browser in (("support", supporter), ("operator", operator), ("boss", browser_of(boss)))
        for whom, user in (("user", ann), ("staff", colleague), ("superuser", boss))
        if (page := page_of(browser, user.pk))
    }
    assert buttons == {
        ("support", "user"): (True, False),
        ("support", "staff"): (True, False),
        ("support", "superuser"): (False, False),
        ("operator", "user"): (True, True),
        ("operator", "staff"): (True, False),
        ("operator", "superuser"): (False, False),
        ("boss", "user"): (True, True),
        ("boss", "staff"): (True, True),
        ("boss", "superuser"): (True, False),  # but not themselves
    }
    for browser, user, what in (
        (supporter, ann, "disable"),
        (supporter, boss, "log_out"),
        (operator, colleague, "disable"),
        (operator, boss, "disable"),
    ):
        assert browser.post(user_url(user.pk, what), {"note": "x"}).status_code == 403
    assert User.objects.filter(is_active=False).count() == 0


def test_an_operator_can_change_users_and_make_nobody_staff(operator):
    ann, colleague = User.objects.create_user("ann", PASSWORD), new_staff("Support", name="colleague")
    form = operator.get(user_url(ann.pk)).context["adminform"].form
    assert not {"is_staff", "is_superuser", "groups", "user_permissions"} & set(form.fields)
    sent = {"username": "ann", "name": "Ann", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert operator.post(user_url(ann.pk), sent).status_code == 302
    ann.refresh_from_db()
    assert (ann.name, ann.is_staff, ann.is_superuser) == ("Ann", False, False)
    # Nor can they take over a protected user by setting an email or a password.
    assert operator.post(user_url(colleague.pk), {"username": "colleague", "email": "o@example.org"}).status_code == 403
    assert operator.post(user_url(colleague.pk, "send_reset"), {"note": "x"}).status_code == 403


def test_ended_sessions_come_in_pages(supporter):
    for batch in (make_users(1), make_sessions(12, users=1, ended=True)):
        list(batch)
    user = User.objects.get(username__endswith="_1")
    pages = [supporter.get(user_url(user.pk), {"ended_page": page}) for page in ("1", "2", "3", "nonsense")]
    shown = [[row.pk for row in page.context["of_user"].ended] for page in pages]
    assert [len(rows) for rows in shown] == [5, 5, 2, 5]
    assert len({*shown[0], *shown[1], *shown[2]}) == 12
    assert f"user={user.pk}&amp;state=ended" in pages[0].content.decode()


def test_the_page_takes_as_many_queries_for_many_sessions_as_for_few(supporter, django_assert_max_num_queries):
    for batch in (make_users(1), make_sessions(60, users=1), make_sessions(30, users=1, ended=True)):
        list(batch)
    user = User.objects.get(username__endswith="_1")
    with django_assert_max_num_queries(30):
        page = supporter.get(user_url(user.pk))
    assert (page.context["of_user"].open_count, len(page.context["of_user"].open_sessions)) == (60, 20)
    assert f"user={user.pk}&amp;state=live" in page.content.decode()


def test_each_session_has_one_line_among_the_credentials(supporter):
    phone = ZapPhone(InProcess()).sign_up("ann")
    BuddyPhone(InProcess(), device_token="push").log_in("ann")
    lines = {line.kind: line.detail for line in page_of(supporter, phone.user_id).summary.credentials if line.session}
    assert {kind: detail.partition(": ")[2] for kind, detail in lines.items() if kind != "app token"} == {
        "unknown": "access, refresh token",
        "Android app": "access token",
    }
    sven = User.objects.get(username="sven")
    (own,) = [line for line in page_of(supporter, sven.pk).summary.credentials if line.session]
    assert own.detail == "Admin: cookie"


def test_thousands_of_live_sessions_of_one_user_are_counted_and_not_listed(supporter, django_assert_max_num_queries):
    many = User.objects.create_user("many", PASSWORD)
    first = new_session(user=many)
    columns = {field.attname: getattr(first, field.attname) for field in Session._meta.concrete_fields}
    Session.objects.bulk_create(Session(**columns | {"id": uuid7(), "refresh_jti": f"jti {n}"}) for n in range(3000))
    with django_assert_max_num_queries(30):
        page = supporter.get(user_url(many.pk))
    shown = page.context["of_user"]
    assert (shown.open_count, len(shown.open_sessions)) == (3001, 20)
    assert len([line for line in shown.summary.credentials if line.session]) == 20
    assert shown.summary.more_sessions == 2981
    text = page.content.decode()
    assert "2,981 more live sessions." in text
    assert len(text) < 200_000


def test_a_user_of_no_sessions_is_told_so(supporter):
    user = User.objects.create_user("quiet")
    text = supporter.get(user_url(user.pk)).content.decode()
    assert "quiet is logged in nowhere" in text
    assert "Sessions that end stay here" in text
    assert "Nobody. No password" in text


@pytest.mark.parametrize("url", ["/admin/users/user/nonsense/log-out/", f"/admin/users/user/{'0' * 24}/disable/"])
def test_there_is_no_page_for_a_user_that_does_not_exist(operator, url):
    assert operator.get(url).status_code == 404


def test_users_are_found_by_name_email_phone_number_and_id(supporter):
    ann = User.objects.create_user("ann", email="Ann@example.org", phone_number="+4912345")
    User.objects.create_user("bob")
    for term in ("AN", "ann@ex", "n@example", "+4912345", "0049 12345", ann.pk):
        found = supporter.get("/admin/users/user/", {"q": term}).context["cl"].result_list
        assert list(found) == [ann], term


def test_a_sessions_page_says_who_where_when_and_once_it_has_ended_why_and_by_whom(supporter):
    phone = BuddyPhone(InProcess(), device_token="push-address").sign_up("ann")
    session = Session.objects.get(user=phone.user_id)
    url = f"{LIST}{session.pk}/change/"
    text = supporter.get(url).content.decode()
    for shown in ("ann", session.app.name, "Android", "127.0.0.1", "End this session", str(session.pk)):
        assert shown in text, shown
    assert "push-address" not in text
    supporter.post(f"{LIST}{session.pk}/end/", {"note": "Phone stolen"})
    text = supporter.get(url).content.decode()
    for shown in (EndReason.STAFF.label, "sven, from 127.0.0.1", "Phone stolen"):
        assert shown in text, shown
    assert "End this session" not in text
    assert "The bulk run" not in text


def test_the_record_of_one_ended_session_names_whose_it_was(supporter):
    phone = BuddyPhone(InProcess()).sign_up("ann")
    call_command("logout", "--session", str(Session.objects.get(user=phone.user_id).pk), stdout=StringIO())
    for url in ("/admin/user_sessions/bulkrun/", f"/admin/user_sessions/bulkrun/{BulkRun.objects.get().pk}/change/"):
        assert "ann&#x27;s on Android" in supporter.get(url).content.decode()


@pytest.mark.parametrize(
    ("facts", "role", "state"),
    [
        ({}, None, "enabled"),
        ({"is_active": False}, None, "disabled"),
        ({"is_staff": True, "is_superuser": True}, "superuser", "enabled"),
        ({"deleted_at": timezone.now(), "is_active": False}, None, "deleted"),
    ],
)
def test_the_list_of_users_tells_their_role_and_state(supporter, facts, role, state):
    user = User.objects.create_user("ann", **facts)
    text = supporter.get("/admin/users/user/", {"q": user.pk}).content.decode()
    assert state in text
    assert role is None or role in text


def test_a_user_who_logs_in_at_the_moment_when_staff_log_them_out_is_logged_out_too(supporter, monkeypatch):
    phone, tablet = ZapPhone(InProcess()).sign_up("ann"), ZapPhone(InProcess())
    start_run = orders.start_run

    def log_in_first(*args, **options):
        assert tablet.log_in("ann").status == 200
        return start_run(*args, **options)

    monkeypatch.setattr(orders, "start_run", log_in_first)
    page = supporter.post(user_url(phone.user_id, "log_out"), {"note": ""}, follow=True)
    assert "2 sessions ended" in told(page)
    assert (phone.me().status, tablet.me().status) == (401, 401)


def test_if_the_database_goes_away_after_the_order_staff_are_told_to_come_back_and_the_user_is_out(
    supporter, monkeypatch
):
    phone = ZapPhone(InProcess()).sign_up("ann")

    def break_off(**_):
        raise psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly")

    monkeypatch.setattr(claiming.psycopg, "connect", break_off)
    page = supporter.post(user_url(phone.user_id, "log_out"), {"note": ""})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert phone.me().status == 401


def test_the_dates_of_an_account_are_written_as_in_the_lists(operator):
    ann = User.objects.create_user("ann")
    page = operator.get(user_url(ann.pk)).content.decode()
    assert page.count(f"{ann.created_at:%Y-%m-%d %H:%M}<") >= 2  # registered, updated
    assert "+00:00" not in page
