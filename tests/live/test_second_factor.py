"""Requests with one code at the same moment, over a real server with two workers."""

import pytest

from sessions.models import Session
from tests.live.test_races import at_once, phone_on
from tests.phones import PASSWORD
from tests.second_factor import give_factor


@pytest.mark.parametrize("what", ["code of the app", "recovery code"])
def test_of_eight_log_ins_with_one_code_at_once_one_opens_a_session(phone_kind, server, what):
    phone = phone_on(phone_kind, server).sign_up()
    app, codes = give_factor(phone.user_id)
    before = Session.objects.filter(user=phone.user_id).count()
    code = codes[0] if what == "recovery code" else app.code(step=1)
    path, body, token = "/v1/login", {"identity": phone.username, "password": PASSWORD, "twoFaToken": code}, None
    if phone.dialect == "buddy":
        path, body = "/users/login", {"username": phone.username, "password": PASSWORD + code}
        token = phone.app_token
    others = [phone_on(phone_kind, server) for _ in range(8)]
    answers = at_once(*[lambda other=other: other.call("POST", path, body, token=token) for other in others])
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7
    in_zap = phone.dialect == "zap"  # in Buddy, a second log-in on a device replaces the first
    assert Session.objects.filter(user=phone.user_id, ended_at=None).count() == before + in_zap
