"""What a thief can do with only a user's access token."""

from datetime import timedelta

import pytest

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from sessions.models import Session
from sessions.reauthentication import require_recent_password
from tests.bad_input import buddy_error, zap_error, zap_fields
from tests.bad_input.genuine import Genuine
from tests.phones import PASSWORD, InProcess, ZapPhone, promote, reset_code_in
from users.models import User
from users.origin import Origin

pytestmark = pytest.mark.usefixtures("commits")
WINDOW = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
THIEF = "thief@example.org"
REFUSED = {"zap": (403, "reauthentication_required"), "buddy": (403, "AuthUserAccessTokenRequired")}


@pytest.fixture
def ann(clock, new_phone, mailoutbox):
    """Ann, who has a verified email. A thief has her token."""
    phone = new_phone(device_token="phone").sign_up()
    User.objects.filter(pk=phone.user_id).update(email=f"{phone.username}@example.org", email_verified=True)
    mailoutbox.clear()
    return phone


@pytest.fixture
def other(ann):
    """Another session of Ann."""
    phone = ZapPhone(InProcess())
    assert phone.log_in(ann.username).status == 200
    return phone


def error(reply):
    return (buddy_error if "errorNumber" in reply.json else zap_error)(reply)


def change(phone, **fields):
    """Change the phone's own user."""
    if phone.dialect == "zap":
        return phone.ask("PUT", f"/v1/users/{phone.user_id}", fields)
    return phone.ask("PATCH", "/users/me", fields)


def delete(phone, user_id=None, **fields):
    path = f"/v1/users/{user_id or phone.user_id}" if phone.dialect == "zap" else f"/users/{user_id or 'me'}"
    return phone.ask("DELETE", path, fields or None)


def update_phone(phone, **fields):
    return phone.ask("PUT", f"/v1/users/updatePhone/{phone.user_id}", fields)


def end_others(phone, scope="others", **fields):
    return phone.ask("POST", f"/v1/users/{phone.user_id}/sessions/logout", {"scope": scope, **fields})


def end_session(phone, session, **fields):
    return phone.ask("DELETE", f"/v1/users/{session.user_id}/sessions/{session.pk}", fields or None)


# Each call that takes over an account or harms its user, in both dialects and in ZAP alone.
ACTS = {
    "email": lambda phone, **more: change(phone, email=THIEF, **more),
    "user name": lambda phone, **more: change(phone, username="thief", **more),
    "delete": lambda phone, **more: delete(phone, **more),
}
ZAP_ACTS = {
    "phone number": lambda phone, **more: change(phone, phoneNumber="+491", **more),
    "updatePhone": lambda phone, **more: update_phone(phone, phoneNumber="+491", **more),
    "other sessions": end_others,
    "all sessions": lambda phone, **more: end_others(phone, "all", **more),
    "another session": lambda phone, **more: end_session(
        phone, Session.objects.exclude(pk=Genuine(phone.access_token).claims["sid"]).get(), **more
    ),
}
each_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
each_zap_act = pytest.mark.parametrize("act", ZAP_ACTS.values(), ids=ZAP_ACTS)


def state():
    """Return the data that such a call changes."""
    users = list(User.objects.order_by("pk").values())
    return users, list(Session.objects.order_by("pk").values("pk", "ended_at"))


def check_act(ann, clock, act):
    before = state()
    clock.shift(WINDOW + SECOND)
    assert error(act(ann)) == REFUSED[ann.dialect]
    wrong = act(ann, password="not-the-password-1")
    if ann.dialect == "zap":
        assert zap_fields(wrong) == (422, "wrong_password", ["password"])
    else:
        assert error(wrong) == REFUSED["buddy"]
    assert state() == before
    assert act(ann, password=PASSWORD).status == 200
    assert state() != before


@each_act
def test_after_ten_minutes_a_token_alone_cannot_take_the_account_over_and_with_the_password_it_can(ann, clock, act):
    check_act(ann, clock, act)


@pytest.mark.only("zap")
@each_zap_act
def test_after_ten_minutes_a_token_alone_cannot_end_other_sessions_or_change_the_phone_number(ann, other, clock, act):
    check_act(ann, clock, act)


@each_act
def test_within_ten_minutes_of_the_log_in_no_password_is_asked_for(ann, clock, act):
    clock.shift(WINDOW)
    assert act(ann).status == 200


@pytest.mark.only("zap")
@each_zap_act
def test_within_ten_minutes_of_the_log_in_no_password_is_asked_for_in_zap(ann, other, clock, act):
    clock.shift(WINDOW)
    assert act(ann).status == 200


def test_the_window_is_a_setting(ann, clock, settings):
    settings.REAUTHENTICATION_WINDOW = timedelta(seconds=60)
    clock.shift(timedelta(seconds=61))
    assert error(change(ann, username="thief")) == REFUSED[ann.dialect]
    clock.shift(-SECOND)
    assert change(ann, username="ann_lee").status == 200


def test_a_password_in_a_request_counts_for_that_request_only(ann, clock):
    clock.shift(WINDOW + SECOND)
    assert change(ann, username="ann_lee", password=PASSWORD).status == 200
    assert error(change(ann, username="thief")) == REFUSED[ann.dialect]


def test_a_refresh_or_a_use_of_the_session_is_no_log_in(ann, clock):
    clock.shift(WINDOW + SECOND)
    if ann.dialect == "zap":
        ann.access_token = ann.refresh().json["data"]["token"]
    assert ann.me().status == 200
    assert error(change(ann, username="thief")) == REFUSED[ann.dialect]


def test_after_another_log_in_no_password_is_asked_for(ann, clock):
    clock.shift(WINDOW + SECOND)
    assert ann.log_in(ann.username).status == 200
    assert change(ann, username="ann_lee").status == 200


def test_a_session_of_before_this_was_recorded_needs_the_password(ann):
    Session.objects.update(authenticated_at=None)
    assert error(change(ann, username="thief")) == REFUSED[ann.dialect]
    assert change(ann, username="ann_lee", password=PASSWORD).status == 200


def test_what_does_not_identify_the_user_needs_no_password(ann, clock):
    clock.shift(WINDOW + SECOND)
    fields = {"name": "Ann Lee"} if ann.dialect == "zap" else {"firstName": "Ann", "tag": "t", "location": "1,2"}
    assert change(ann, **fields).status == 200


def test_what_names_the_present_value_needs_no_password(ann, clock):
    assert change(ann, email="new@example.org").status == 200
    clock.shift(WINDOW + SECOND)
    assert change(ann, email="new@example.org", username=ann.username).status == 200
    if ann.dialect == "zap":
        assert change(ann, phoneNumber=None).status == 200
    # The change back is a change, too.
    assert error(change(ann, email=f"{ann.username}@example.org")) == REFUSED[ann.dialect]


def test_logging_oneself_out_needs_no_password(ann, clock):
    clock.shift(WINDOW + SECOND)
    assert ann.log_out().status == 200
    assert ann.me().status == 401


@pytest.mark.only("zap")
def test_ending_ones_own_session_by_scope_or_by_id_needs_no_password(ann, clock):
    clock.shift(WINDOW + SECOND)
    assert end_others(ann, "this").status == 200
    ann.log_in(ann.username)
    clock.shift(WINDOW + SECOND)
    assert end_session(ann, Session.objects.get(ended_at=None)).status == 200


def test_passwords_in_requests_are_counted_as_log_ins_are(ann, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 600), "login_known": (2, 600)}
    clock.shift(WINDOW + SECOND)
    for _ in range(2):
        assert change(ann, username="thief", password="guess").status in (403, 422)
    assert change(ann, username="thief", password=PASSWORD).status == 429
    # It counts towards the same limit as a log-in from this address.
    assert ZapPhone(InProcess()).log_in(ann.username).status == 429


def test_who_may_not_is_told_that_first_and_then_what_is_malformed(ann, new_phone, clock):
    stranger = new_phone().sign_up()
    clock.shift(WINDOW + SECOND)
    denied = {"zap": (403, "permission_denied"), "buddy": (403, "ObjectPermissionDenied")}[ann.dialect]
    assert error(delete(stranger, ann.user_id)) == denied
    path = "/v1/users" if ann.dialect == "zap" else "/users"
    method = "PUT" if ann.dialect == "zap" else "PATCH"
    assert error(stranger.ask(method, f"{path}/{ann.user_id}", {"email": "no email"})) == denied
    assert change(ann, email="no email").status == 400
    assert error(change(ann, email=THIEF)) == REFUSED[ann.dialect]


# --- staff ---------------------------------------------------------------------------------------


@pytest.fixture
def staff(ann, new_phone):
    """A member of staff. A thief has their token."""
    phone = new_phone().sign_up()
    return promote(phone, "users.change_user", "users.delete_user", "user_sessions.end_session")


def test_staff_need_their_own_password_to_change_what_identifies_another_user_or_to_delete_them(staff, ann, clock):
    clock.shift(WINDOW + SECOND)
    method, path = ("PUT", "/v1/users/") if staff.dialect == "zap" else ("PATCH", "/users/")
    for fields in ({"email": THIEF}, {"username": "thief"}):
        assert error(staff.ask(method, path + ann.user_id, fields)) == REFUSED[staff.dialect]
        assert staff.ask(method, path + ann.user_id, fields | {"password": PASSWORD}).status == 200
    assert error(delete(staff, ann.user_id)) == REFUSED[staff.dialect]
    assert delete(staff, ann.user_id, password=PASSWORD).status == 200


@pytest.mark.only("zap")
def test_staff_need_a_recent_password_to_log_another_user_out(staff, ann, clock):
    path = f"/v1/users/logout/{ann.user_id}"
    clock.shift(WINDOW + SECOND)
    assert error(staff.ask("GET", path)) == REFUSED["zap"]
    assert error(staff.ask("PUT", path, {"deviceToken": "phone"})) == REFUSED["zap"]
    assert zap_fields(staff.ask("PUT", path, {"deviceToken": "phone", "password": "wrong"})) == (
        *(422, "wrong_password", ["password"]),
    )
    session = Session.objects.get(user=ann.user_id)
    assert error(end_session(staff, session)) == REFUSED["zap"]
    assert error(staff.ask("POST", f"/v1/users/{ann.user_id}/sessions/logout", {"scope": "all"})) == REFUSED["zap"]
    assert ann.me().status == 200
    assert staff.ask("PUT", path, {"deviceToken": "phone", "password": PASSWORD}).status == 200
    assert ann.me().status == 401
    assert error(staff.ask("GET", path)) == REFUSED["zap"]
    staff.log_in(staff.username)
    assert staff.ask("GET", path).status == 200


# --- the way to an account by its email ------------------------------------------------------------


def ask_for_reset(identity):
    return InProcess()(
        "POST", "/v1/otp/forgotPassword", headers={"Content-Type": "application/json"}, content=as_json(identity)
    )


def as_json(identity):
    return f'{{"identity": "{identity}"}}'


def test_a_thief_who_sets_their_email_within_ten_minutes_gets_no_reset_code_and_no_log_in_by_it(ann, mailoutbox):
    own = f"{ann.username}@example.org"
    assert change(ann, email=THIEF).status == 200
    assert sorted(mail.to[0] for mail in mailoutbox) == sorted([own, THIEF])
    told = next(mail for mail in mailoutbox if mail.to == [own])
    assert "Another email address was set" in told.body
    mailoutbox.clear()
    # The new address identifies nobody, neither for a password reset nor for a log-in.
    for identity in (THIEF, own, ann.username):
        assert ask_for_reset(identity).status == 200
    assert [mail.to for mail in mailoutbox] == [[own]] * 2
    zap = ZapPhone(InProcess())
    assert zap.call("POST", "/v1/login", {"identity": THIEF, "password": PASSWORD}).status == 401
    assert zap.call("POST", "/v1/login", {"identity": own, "password": PASSWORD}).status == 200


def test_a_new_password_takes_the_thiefs_email_back(ann, mailoutbox):
    own = f"{ann.username}@example.org"
    assert change(ann, email=THIEF).status == 200
    code = reset_code_in(next(mail for mail in mailoutbox if mail.to == [THIEF]))
    mailoutbox.clear()
    ask_for_reset(own)
    zap = ZapPhone(InProcess())
    reset = {"identity": own, "otp": reset_code_in(mailoutbox[0]), "newPassword": "another-pass-2"}
    assert zap.call("POST", "/v1/forgotPassword", reset).status == 200
    assert zap_fields(zap.call("POST", "/v1/otp/verify", {"identity": THIEF, "otp": code})) == (
        *(422, "invalid_code", ["otp"]),
    )
    mailoutbox.clear()
    zap.call("POST", "/v1/otp", {"email": THIEF, "userId": ann.user_id})
    zap.call("POST", "/v1/otp/resend", {"email": THIEF})
    assert mailoutbox == []
    user = User.objects.get(pk=ann.user_id)
    assert (user.email, user.new_email) == (own, None)


# --- by itself -------------------------------------------------------------------------------------


@pytest.mark.only("zap")
def test_any_session_that_authentication_found_can_be_asked(ann, clock):
    session = Session.objects.select_related("user").get()
    session.checked_at = session.authenticated_at + WINDOW
    require_recent_password(session, password=None, origin=Origin())
    session.checked_at += SECOND
    with pytest.raises(ReauthenticationRequired):
        require_recent_password(session, password=None, origin=Origin())
    with pytest.raises(WrongPasswordGiven):
        require_recent_password(session, password="wrong", origin=Origin())
    require_recent_password(session, password=PASSWORD, origin=Origin())


@pytest.mark.only("buddy")
def test_an_app_level_session_has_no_password_to_show(ann):
    session = Session.objects.get(user=None)
    session.checked_at = session.created_at
    with pytest.raises(ReauthenticationRequired):
        require_recent_password(session, password=PASSWORD, origin=Origin())
