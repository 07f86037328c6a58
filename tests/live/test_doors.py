"""Every way to end a session: after the answer no worker accepts the session's tokens."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest

from sessions.models import EndReason, Session
from tests.environment import ROOT
from tests.listeners import Listener, listening, new_service
from tests.live.refusals import TRIES, accepted_of
from tests.phones import PASSWORD, BuddyPhone, Live, Phone, ZapPhone, address_in, device_token, promote, pushes_of
from tests.servers import test_environment
from tests.sessions.staff import LIST, new_staff, user_url
from tests.waiting import wait_until
from users.clients import create_app
from users.models import DeviceToken, User
from users.reset_codes import issue_code

NEW = "another-pass-2"


class Browser:
    """A member of staff in the admin of a live server. It does not follow redirects."""

    def __init__(self, base_url: str, name: str) -> None:
        self.client = httpx.Client(base_url=base_url, timeout=30)
        self.client.get("/admin/login/")
        self.send("/admin/login/", {"username": name, "password": PASSWORD, "next": "/admin/"}, status=302)

    def send(self, path: str, form: dict, *, status: int) -> str:
        answer = self.client.post(path, data=form, headers={"X-CSRFToken": self.client.cookies["csrftoken"]})
        assert answer.status_code == status, answer.text
        return answer.text


@dataclass
class Ann:
    """A user with two phones, and the people who may act on her account."""

    phone: Phone
    tablet: Phone
    admin: Browser
    send: Live
    listener: Listener

    @property
    def id(self) -> str:
        return self.phone.user_id

    def session_of(self, phone: Phone) -> Session:
        return Session.objects.get(user=self.id, device_token=device_token(phone.device_token))


@pytest.fixture
def ann(phone_kind, server):
    send, options = Live(server.base_url), {}
    if phone_kind is BuddyPhone:
        new = create_app("Doors")
        options = {"app_id": new.app.pk, "app_key": new.key}
    phone = phone_kind(send, device_token="phone", **options).sign_up("ann")
    tablet = phone_kind(send, device_token="tablet", **options)
    assert tablet.log_in("ann").status == 200
    new_staff("Operators", name="olga")
    admin = Browser(server.base_url, "olga")
    with closing(admin.client), listening(server.base_url, new_service()) as listener:
        yield Ann(phone, tablet, admin, send, listener)


def manage(*arguments: str, typed: str = "") -> None:
    """Run `manage.py` as a process without a terminal, with ``stdin`` as its standard input."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=test_environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr


def end_one_in_the_admin(ann: Ann) -> None:
    ann.admin.send(f"{LIST}{ann.session_of(ann.phone).pk}/end/", {"note": "Phone stolen"}, status=302)


def end_all_in_the_admin(ann: Ann) -> None:
    ann.admin.send(user_url(ann.id, "log_out"), {"note": ""}, status=302)


def disable_in_the_admin(ann: Ann) -> None:
    ann.admin.send(user_url(ann.id, "disable"), {"note": "Fraud"}, status=302)


def untick_active_in_the_admin(ann: Ann) -> None:
    ann.admin.send(user_url(ann.id), {"username": "ann"}, status=302)


def confirm_a_list(ann: Ann, action: str, path: str, *, across: bool) -> None:
    chosen = {
        "action": action,
        "_selected_action": str(ann.session_of(ann.phone).pk),
        "select_across": str(int(across)),
    }
    question = ann.admin.send(path, chosen, status=200)
    token = re.search(r'name="token" value="([^"]+)"', question)[1]
    assert ann.phone.me().status == 200  # while the page still asks for a confirmation
    ann.admin.send(f"{LIST}log-out/", {"token": token, "note": "Incident"}, status=302)


def log_out_all_that_match_in_the_admin(ann: Ann) -> None:
    confirm_a_list(ann, "log_out", f"{LIST}?user={ann.id}", across=True)


def log_out_everywhere_in_the_admin(ann: Ann) -> None:
    confirm_a_list(ann, "log_out_everywhere", LIST, across=False)


def log_out_by_command(ann: Ann) -> None:
    manage("logout", "--user", "ann")


def change_the_password_by_command(ann: Ann) -> None:
    manage("changepassword", "ann", typed=f"{NEW}\n{NEW}\n")


def change_ones_own_password(ann: Ann) -> None:
    here = ZapPhone(ann.send)
    here.log_in("ann")
    User.objects.filter(pk=ann.id).update(email="ann@example.org")
    body = {"userId": ann.id, "email": "ann@example.org", "oldPassword": PASSWORD, "newPassword": NEW}
    assert here.ask("POST", "/v1/changePassword", body).status == 200, here.last
    assert here.me().status == 200  # the member of staff who did it stays logged in


def reset_the_password_by_a_code(ann: Ann) -> None:
    code = issue_code(User.objects.get(pk=ann.id))
    if isinstance(ann.phone, BuddyPhone):
        body = {"userName": "ann", "resetCode": code, "newPassword": NEW}
        assert ann.phone.call("PATCH", "/users/password", body, token=ann.phone.app_token).status == 200
    else:
        body = {"identity": "ann", "otp": code, "newPassword": NEW}
        assert ann.phone.call("POST", "/v1/forgotPassword", body).status == 200


def log_out_everywhere_by_the_api(ann: Ann) -> None:
    here = ZapPhone(ann.send)
    here.log_in("ann")
    assert here.ask("POST", f"/v1/users/{ann.id}/sessions/logout", {"scope": "others"}).status == 200, here.last


def end_one_by_the_api(ann: Ann) -> None:
    here = ZapPhone(ann.send)
    here.log_in("ann")
    path = f"/v1/users/{ann.id}/sessions/{ann.session_of(ann.phone).pk}"
    assert here.ask("DELETE", path).status == 200, here.last


def delete_oneself(ann: Ann) -> None:
    path = "/users/me" if isinstance(ann.phone, BuddyPhone) else f"/v1/users/{ann.id}"
    assert ann.phone.ask("DELETE", path).status == 200, ann.phone.last


def be_deleted_by_staff(ann: Ann) -> None:
    staff = promote(ZapPhone(ann.send).sign_up("sven"), "users.view_user", "users.delete_user")
    assert staff.ask("DELETE", f"/v1/users/{ann.id}").status == 200, staff.last


ONE = [(end_one_in_the_admin, EndReason.STAFF), (end_one_by_the_api, EndReason.LOGOUT)]
ALL = [
    (end_all_in_the_admin, EndReason.STAFF),
    (disable_in_the_admin, EndReason.USER_DISABLED),
    (untick_active_in_the_admin, EndReason.USER_DISABLED),
    (log_out_all_that_match_in_the_admin, EndReason.STAFF),
    (log_out_everywhere_in_the_admin, EndReason.STAFF),
    (log_out_by_command, EndReason.OPERATOR),
    (log_out_everywhere_by_the_api, EndReason.LOGOUT),
    (change_the_password_by_command, EndReason.PASSWORD_CHANGED),
    (change_ones_own_password, EndReason.PASSWORD_CHANGED),
    (reset_the_password_by_a_code, EndReason.PASSWORD_CHANGED),
    (delete_oneself, EndReason.USER_DELETED),
    (be_deleted_by_staff, EndReason.USER_DELETED),
]


def through(doors):
    names = [door.__name__ for door, _ in doors]
    return pytest.mark.parametrize(("door", "reason"), doors, ids=names)


def let_every_worker_accept(*phones: Phone) -> None:
    """Make every worker accept the token once, in order to find a worker that caches its verdict."""
    for phone in phones:
        assert [phone.me().status for _ in range(TRIES)] == [200] * TRIES, phone.last


def ended(ann: Ann) -> list[tuple[str, str]]:
    rows = Session.objects.filter(user=ann.id).exclude(ended_at=None).select_related("device_token")
    return sorted((address_in(row.device_token), row.end_reason) for row in rows)


def told(ann: Ann) -> set[str]:
    """Return the push addresses of the sessions of which a service that listens has been told."""
    refused = {user for each in ann.listener.events("sessions-refused") for user in each.data["users"]}
    rows = Session.objects.filter(user=ann.id).select_related("device_token")
    return {address_in(row.device_token) for row in rows if str(row.pk) in ann.listener.sessions() or ann.id in refused}


@through(ALL)
def test_no_worker_accepts_any_of_a_users_tokens_once_they_have_been_ended_by(
    door: Callable[[Ann], None], reason: EndReason, ann: Ann
):
    let_every_worker_accept(ann.phone, ann.tablet)
    door(ann)
    assert (accepted_of(ann.phone), accepted_of(ann.tablet)) == (0, 0)
    assert not DeviceToken.objects.filter(user=ann.id).exists()
    assert ended(ann) == [("phone", reason), ("tablet", reason)]
    wait_until(lambda: told(ann) == {"phone", "tablet"})


@through(ONE)
def test_no_worker_accepts_a_sessions_tokens_and_all_accept_the_others_once_it_has_been_ended_by(
    door: Callable[[Ann], None], reason: EndReason, ann: Ann
):
    let_every_worker_accept(ann.phone, ann.tablet)
    door(ann)
    assert accepted_of(ann.phone) == 0
    let_every_worker_accept(ann.tablet)
    assert pushes_of(ann.id) == ["tablet"]
    assert ended(ann) == [("phone", reason)]
    wait_until(lambda: told(ann) == {"phone"})
