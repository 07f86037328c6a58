"""Any input gets a documented answer, in both dialects."""

import json
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.bad_input.database import undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.routes import BY_ID, ROUTES, WITH_BODY

both = pytest.mark.parametrize("dialect", [ZAP, BUDDY], ids=str)
BOUNDED = hypothesis_settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# With surrogates, NUL, and characters that grow or shrink under normalization.
ODD = ["\ufdfa" * 100, "\u00a0", "\ufeff", "İ", "ß" * 150, "e\u0301" * 100, "x" * 150, "1" * 300]
TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [*ODD, "/Date(0)/", "1,2", "a@b.cd", "this", "all", "100", "-1", "2023-02-27"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
PARAMETERS = ["bodyLimit", "pageLimit", "startDate", "endDate", "limit", "LIMIT", "pagingToken", "location"]
QUOTED = TEXT.map(lambda text: quote(text, safe="", errors="surrogatepass")) | st.binary(max_size=20).map(
    lambda raw: quote_from_bytes(raw, safe="")
)


def bodies(call, fields):
    """Any JSON; mostly objects with the fields of our routes, many of them with a few bad values."""
    known = st.sampled_from(fields)
    odd = st.dictionaries(known | TEXT, SCALARS | JSON, max_size=8)
    spoilt = st.dictionaries(st.sampled_from(sorted(call.body)), SCALARS, max_size=2).map(lambda few: call.body | few)
    return st.one_of(spoilt, odd, JSON)


def drawn(data, dialect, routes):
    return data.draw(st.sampled_from([route for route in routes if route.dialect is dialect]))


@both
@BOUNDED
@given(data=st.data())
def test_whatever_json_comes_is_answered_as_documented(dialect, phone, data):
    fields = {field for route in WITH_BODY if route.dialect is dialect for field in route.call(phone).body}
    call = drawn(data, dialect, WITH_BODY).call(phone)
    body = data.draw(bodies(call, sorted(fields)))
    with undone():
        reply = call.send(json.dumps(body).encode())
        assert dialect.is_documented(reply), reply
        assert reply.status not in (404, 405, 429), reply


@both
@BOUNDED
@given(data=st.data())
def test_whatever_query_comes_is_answered_as_documented(dialect, phone, data):
    call = drawn(data, dialect, [route for route in ROUTES if route.method == "GET"]).call(phone)
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(PARAMETERS) | QUOTED, QUOTED), max_size=4))
    with undone():
        reply = call.asking("&".join(f"{name}={value}" for name, value in pairs)).send()
        assert dialect.is_documented(reply), reply
        assert reply.status in (200, 400), reply


@both
@BOUNDED
@given(data=st.data())
def test_whatever_id_comes_is_answered_as_documented(dialect, phone, data):
    route = drawn(data, dialect, BY_ID)
    call = route.call(phone).but(path=route.path_for(phone, data.draw(QUOTED.filter(bool))))
    with undone():
        reply = call.send()
        assert dialect.is_documented(reply), reply
        assert reply.status in (400, 403, 404), reply
