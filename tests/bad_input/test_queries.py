"""Queries of the user lists of both dialects, and paging tokens."""

import pytest
from django.core import signing

from tests.bad_input.answers import buddy_error, buddy_success, zap_error, zap_fields, zap_success
from tests.bad_input.database import Untouched, undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.oddities import MANY_FIELDS
from tests.bad_input.routes import ROUTES, each, route_named
from tests.phones import InProcess, promote

zap_users = each([route_named(ZAP, "users")])
buddy_users = each([route_named(BUDDY, "users")])

OUT_OF_RANGE = (400, "ParameterOutOfRange")
BAD_FORMAT = (400, "ParameterIncorrectFormat")

NO_NUMBER = ["x", "1.5", "1e2", "0x10", "nan", "1,2", "%2B", "%00", "1%00", "%FF", "%ED%A0%80", "1;2", "--1", "%C2%B2"]
NO_DATE = [
    *("x", "now", "1", "%00", "2023-02-27%00", "%FF", "%ED%A0%80", "2023-02-30", "2023-13-01", "2023-00-01", "2023"),
    *("0000-01-01", "10000-01-01", "-2023-01-01", "2023-02-27T25:00:00", "2023-02-27T16:60", "2023-02-27T16:57:05Q"),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00%2B12:00", "2023-02-27T16:57:05%2B99:00", "/Date(0)/"),
    *("27.02.2023", "'%20OR%201=1%20--", "x" * 10_000, "9" * 10_000),
]
BAD_QUERIES = {
    "bodyLimit": ["%20", "0", "-1", "101", "9" * 1000, "9" * 5000, *NO_NUMBER],
    "pageLimit": ["%20", "0", "-1", "1000001", "9" * 1000, "9" * 5000, *NO_NUMBER],
    "startDate": ["%20", *NO_DATE],
    "endDate": ["%20", *NO_DATE],
}
ODD_QUERIES = ["", "&", "&&&=&==", "%00=1", "%FF=%FF", "a", "?", "a=1;b=2", "x=" + "y" * 50_000]


@each(route for route in ROUTES if route.method == "GET")
def test_an_odd_query_is_no_reason_to_refuse(call, dialect, subtests):
    for query in ODD_QUERIES:
        with subtests.test(query=query[:30]), undone():
            dialect.success(call.asking(query).send())


# --- ZAP ---------------------------------------------------------------------------------------


@zap_users
@pytest.mark.parametrize("parameter", BAD_QUERIES)
def test_a_parameter_of_the_user_list_that_is_none_is_named(call, dialect, untouched, subtests, parameter):
    for value in BAD_QUERIES[parameter]:
        for query in (f"{parameter}={value}", f"{parameter}=1&{parameter}={value}"):
            with subtests.test(query=query[:50]):
                assert zap_fields(call.asking(query).send()) == (400, "invalid_request", [parameter])
    untouched()


@zap_users
def test_all_parameters_at_fault_are_named_at_once(call, dialect):
    reply = call.asking("&".join(f"{parameter}=x" for parameter in BAD_QUERIES)).send()
    assert zap_error(reply) == (400, "invalid_request")
    assert reply.json["errors"].keys() == BAD_QUERIES.keys()


@zap_users
def test_a_query_of_5000_parameters_is_a_bad_request(call, dialect):
    # The request has no body, so no JSON can be invalid.
    assert zap_error(call.asking(MANY_FIELDS.decode()).send()) == dialect.bad_request


@zap_users
def test_parameters_of_the_user_list_go_to_their_bounds_and_the_last_of_two_counts(call, dialect, subtests):
    for query, shown in {
        "bodyLimit=1": 1,
        "bodyLimit=100&pageLimit=1": 2,
        "pageLimit=1000000": 0,
        "bodyLimit=100&pageLimit=1000000": 0,
        "bodyLimit=x&bodyLimit=1": 1,
        "bodyLimit=1&bodyLimit=": 2,
        "bodyLimit=1&pageLimit=2&startDate&endDate": 1,
        "bodylimit=x&BODYLIMIT=0&unknown=%00": 2,
        "startDate=0001-01-01&endDate=9999-12-31": 2,
        "startDate=0001-01-01T00:00:00Z&endDate=9999-12-31T23:59:59.999Z": 2,
        "startDate=2023-02-27T16:57:05.913%2B05:30": 2,
        "startDate=9999-12-31&endDate=0001-01-01": 0,
        "endDate=1969-12-31": 0,
    }.items():
        with subtests.test(query=query):
            page = zap_success(call.asking(query).send())
            assert len(page["userData"]) == shown
            assert page["dataCount"] == (0 if "Date" in query and not shown else 2)


@zap_users
def test_a_caller_who_may_not_see_users_is_refused_for_any_query(dialect, phone, untouched, route, subtests):
    call = route.call(phone).but(token=dialect.phone(InProcess()).sign_up().access_token)
    for query in ("bodyLimit=5", "pageLimit=1000000", "startDate=2023-02-27", *ODD_QUERIES):
        with subtests.test(query=query[:30]):
            assert zap_error(call.asking(query).send()) == dialect.not_yours


# --- Buddy -------------------------------------------------------------------------------------


@each(route for route in ROUTES if route.dialect is BUDDY and route.method == "GET" and route.token)
def test_a_query_is_checked_like_a_body(call, dialect, untouched, subtests):
    locations = ("x", "1", "%00", "%FF", "nan,1", "1,2,3", "%ED%A0%80,1")
    bad = dict.fromkeys([f"location={value}" for value in locations], BAD_FORMAT)
    bad |= {"LOCATION=x&location=": BAD_FORMAT, MANY_FIELDS.decode(): BAD_FORMAT, "location=91,0": OUT_OF_RANGE}
    for query, refusal in bad.items():
        with subtests.test(query=query[:30]):
            assert buddy_error(call.asking(query).send()) == refusal
    untouched()


@buddy_users
def test_a_limit_that_is_none_or_beyond_its_bounds_is_refused(call, dialect, untouched, subtests):
    tries = dict.fromkeys([*NO_NUMBER, "%20"], BAD_FORMAT)
    tries |= dict.fromkeys(["0", "-1", "101", "9" * 1000, "9" * 5000], OUT_OF_RANGE)
    for value, refusal in tries.items():
        for query in (f"limit={value}", f"limit=1&limit={value}", f"LIMIT={value}&limit="):
            with subtests.test(query=query[:50]):
                reply = call.asking(query).send()
                assert buddy_error(reply) == refusal
                assert "limit" in reply.json["message"]
    untouched()


@buddy_users
def test_a_limit_goes_to_its_bounds_and_the_last_of_two_counts(call, dialect, phone, subtests):
    promote(phone, "users.view_user")
    for query, shown in {"limit=1": 1, "limit=100": 2, "limit=": 2, "limit=x&limit=1": 1, "Limit=1&LIMIT=": 1}.items():
        with subtests.test(query=query):
            assert len(buddy_success(call.asking(query).send())["pageResults"]) == shown


def spoilt_paging_tokens(token):
    value, time, signature = token.split(":")
    swapped = "A" if value[0] != "A" else "B"
    signed = [["first", 20, None], ["first", 10**6, None], {}, None, "x", ["other", 1, ["x", "y"]]]
    return {
        "letters": "garbage",
        "colons": "::",
        "no signature": f"{value}:{time}",
        "an empty signature": f"{value}:{time}:",
        "an empty value": f":{time}:{signature}",
        "another value": f"{swapped}{value[1:]}:{time}:{signature}",
        "another time": f"{value}:{time[::-1]}x:{signature}",
        "another signature": f"{value}:{time}:{signature[::-1]}",
        "cut off": token[:-1],
        "its first half": token[: len(token) // 2],
        "more at its end": f"{token}A",
        "compressed": f".{token}",
        "upper case": token.upper(),
        "in quotes": f"%22{token}%22",
        "a NUL": f"{token}%00",
        "a lone NUL": "%00",
        "bytes": "%FF%FE",
        "a surrogate": "%ED%A0%80",
        "not ASCII": "%C3%A9:%C3%A9:%C3%A9",
        "500 letters": "x" * 500,
        **{f"{value!r}, of another salt": signing.dumps(value, salt="another") for value in signed},
        **{f"{value!r}, of no salt": signing.dumps(value) for value in signed},
    }


@buddy_users
def test_a_paging_token_that_is_none_of_ours_is_of_an_incorrect_format(call, phone, subtests):
    promote(phone, "users.view_user")
    untouched = Untouched()
    first = buddy_success(call.asking("limit=1").send())
    for kind in ("currentToken", "nextToken"):
        for name, token in spoilt_paging_tokens(first[kind]).items():
            with subtests.test(kind=kind, token=name):
                reply = call.asking(f"pagingToken={token}").send()
                assert buddy_error(reply) == BAD_FORMAT
                assert "pagingToken" in reply.json["message"]
    for query in ("pagingToken=" + "x" * 501, f"pagingToken={first['nextToken']}&limit=101"):
        assert buddy_error(call.asking(query).send()) == OUT_OF_RANGE
    untouched()


@buddy_users
def test_a_good_paging_token_takes_another_limit_and_shows_nobody_more_than_they_may_see(call, dialect, phone):
    plain = dialect.phone(InProcess()).sign_up()
    promote(phone, "users.view_user")
    first = buddy_success(call.asking("limit=1").send())
    following = call.asking(f"PAGINGTOKEN={first['nextToken']}")
    assert len(buddy_success(following.send())["pageResults"]) == 1
    assert len(buddy_success(call.asking(f"pagingToken={first['nextToken']}&limit=100").send())["pageResults"]) == 2
    for token in (first["currentToken"], first["nextToken"]):
        seen = buddy_success(call.asking(f"pagingToken={token}").but(token=plain.access_token).send())["pageResults"]
        assert {user["id"] for user in seen} <= {plain.user_id}
    assert buddy_success(call.asking("pagingToken=").send())["pageResults"]
