"""Any input gets a documented answer on the routes for operators, and on those that say where everything is."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.bad_input.oddities import FOREIGN_HOSTS, FOREIGN_TYPES, ODD_HEADERS
from tests.bad_input.test_anything import QUOTED
from tests.phones import InProcess

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"]
NAMES = [name for name, _ in ODD_HEADERS] + ["X-Request-ID", "Authorization"]
HEADERS = st.dictionaries(st.sampled_from(NAMES), QUOTED, max_size=4)
HOSTS = st.sampled_from(["testserver", *FOREIGN_HOSTS])
BOUNDED = hypothesis_settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize(
    ("path", "statuses"),
    [("/healthz", {200, 405}), ("/readyz", {200, 405}), ("/.well-known/zapauth", {200, 400, 405})],
)
@pytest.mark.django_db
@BOUNDED
@given(st.sampled_from(METHODS), QUOTED, HEADERS, HOSTS, st.binary(max_size=40), st.sampled_from(sorted(FOREIGN_TYPES)))
def test_whatever_comes_is_answered_as_documented(path, statuses, method, query, headers, host, content, kind):
    given_headers = headers | {"Host": host, "Content-Type": kind}
    reply = InProcess()(method, f"{path}?{query}", headers=given_headers, content=content)
    assert reply.status in statuses, reply
    if method != "HEAD":
        assert isinstance(json.loads(reply.text), dict)
    if method in ("GET", "HEAD") and host == "testserver":
        assert reply.status == 200
