"""Odd headers and our own errors, in both dialects."""

import pytest

from tests.bad_input.answers import SANE_ID, UUID
from tests.bad_input.bugs import failing
from tests.bad_input.calls import Call
from tests.bad_input.database import undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.oddities import FOREIGN_HOSTS, ODD_ADDRESSES, ODD_HEADERS
from tests.bad_input.routes import ROUTES, SOME, each

both = pytest.mark.parametrize("dialect", [ZAP, BUDDY], ids=str)
NOTHING = {ZAP: "/v1/nothing", BUDDY: "/nothing"}
SOME_UUID = "0190163d-8694-739b-aea5-966c26f8ad91"
SANE = {ZAP: ["a", "abc.DEF-1_2", "x" * 64, SOME_UUID], BUDDY: [SOME_UUID, "00000000-0000-0000-0000-000000000000"]}
INSANE = {
    ZAP: ["", "x" * 65, "a b", "a/b", "é", "<script>", "a,b", '"a"', "x" * 100_000],
    BUDDY: [
        *("", "a", "x" * 36, SOME_UUID.replace("-", ""), SOME_UUID.upper(), f"{{{SOME_UUID}}}", f"{SOME_UUID}x"),
        "x" * 100_000,
    ],
}


@both
def test_a_host_that_is_not_ours_is_a_400_in_the_dialect(dialect, good, phone, untouched, subtests):
    for host in FOREIGN_HOSTS:
        for call in (good("register"), good("logout"), Call(phone, "GET", NOTHING[dialect])):
            with subtests.test(host=host[:20], path=call.path):
                assert dialect.error(call.send(Host=host)) == dialect.bad_request
    untouched()


@each(SOME)
def test_an_odd_header_does_no_harm(call, dialect, subtests, settings):
    for name, value in ODD_HEADERS:
        with subtests.test(name=name), undone():
            dialect.success(call.send(**{name: value}))
    settings.TRUSTED_PROXIES = 1
    for address in ODD_ADDRESSES:
        with subtests.test(address=address[:20]), undone():
            dialect.success(call.send(X_Forwarded_For=address))


@both
def test_a_sane_request_id_is_echoed_and_another_one_replaced(dialect, good, phone, subtests):
    pattern = {ZAP: SANE_ID, BUDDY: UUID}[dialect]
    calls = [good("login"), good("register").but(body={}), Call(phone, "GET", NOTHING[dialect])]
    for given_id in SANE[dialect] + INSANE[dialect]:
        with subtests.test(given=given_id[:40]):
            replies = [call.send(X_Request_ID=given_id) for call in calls]
            assert all(dialect.is_documented(reply) for reply in replies)  # Buddy's answer also repeats the id
            ids = [reply.headers["x-request-id"] for reply in replies]
            if given_id in SANE[dialect]:
                assert ids == [given_id] * 3
            else:
                assert all(pattern.fullmatch(made) and made != given_id for made in ids)
                assert len(set(ids)) == 3


@each(ROUTES)
def test_a_bug_is_a_500_in_the_dialect_that_is_logged_changes_and_shows_nothing(
    call, dialect, route, untouched, caplog, subtests
):
    for place in (route.within, "django.middleware.common.CommonMiddleware.process_request"):
        caplog.clear()
        with subtests.test(place=place):
            with failing(place, caplog) as logged:
                reply = call.send(X_Request_ID=SOME_UUID)
            assert dialect.error(reply) == dialect.bug
            assert reply.headers["x-request-id"] == SOME_UUID
            assert "secret" not in reply.text
            assert logged == [("ERROR", SOME_UUID, "the inner secret")]
    untouched()
