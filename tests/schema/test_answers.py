"""Thousands of valid and invalid requests, drawn from the description. Each answer must match the description."""

from collections import Counter

import pytest
import requests
from hypothesis import HealthCheck, settings
from schemathesis.core.failures import FailureGroup

from tests.schema.document import api

CASES = 4000
# Random cases for each operation, besides the systematic cases of schemathesis. Two callers send most of them.
DRAWN = 15
described = api(max_examples=DRAWN)
statuses: dict[str, Counter] = {}


@pytest.fixture
def wire():
    """One connection for all requests of a test."""
    with requests.Session() as session:
        session.trust_env = False  # it would look for a proxy before each request
        yield session


@pytest.fixture
def problems():
    """Collects problems, each once. The test fails with them after it has sent all requests.

    An immediate failure would make Hypothesis send the requests again, but the server's state has changed since.
    """
    found: dict[tuple[str, str], str] = {}
    yield found
    if found:
        pytest.fail("\n\n".join(found.values()), pytrace=False)


@described.parametrize()
@settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case, live, world, wire, problems):
    from tests.schema.callers import aim
    from tests.schema.checks import checks_for

    takes_token = bool(case.operation.definition.raw["security"])
    for caller in world.next_callers(case) if takes_token else [world.anybody(case)]:
        sent = case.derive()
        aim(sent, caller, world)
        headers = caller.headers(sent) if takes_token else {}
        response = sent.call(live.base_url, session=wire, headers=headers, timeout=30)
        statuses.setdefault(case.operation.label, Counter())[response.status_code] += 1
        world.settle(sent, caller, response.status_code)
        try:
            sent.validate_response(response, checks=checks_for(caller))
        except FailureGroup as group:
            for failure in group.exceptions:
                problems.setdefault((failure.title, failure.message), f"Called by {caller.role}. {group}")


def test_these_were_thousands_and_each_operation_has_succeeded():
    if len(statuses) < len(list(described.get_all_operations())):
        pytest.skip("only a part of the operations was tried")
    # No random code is right. `test_rare_answers.py` has the answer to a right one.
    assert [each for each, seen in statuses.items() if min(seen) >= 300] == ["POST /v1/users/{id}/verify2FA"]
    assert sum(seen.total() for seen in statuses.values()) >= CASES
