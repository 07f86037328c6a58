"""The committed description of the API, as data and for schemathesis."""

import json
from functools import cache

import schemathesis
import yaml
from hypothesis import strategies as st
from schemathesis.schemas import BaseSchema

from tests.environment import ROOT

PATH = ROOT / "docs" / "openapi.yaml"


def _paging_token(limit: int) -> str:
    from zapauth.buddy.paging import PagingToken

    return str(PagingToken("first", limit))


# The formats of dates that Buddy's clients send.
schemathesis.openapi.format(
    "buddy-date",
    st.one_of(
        st.integers(-(10**12), 10**13 - 1).map("/Date({})/".format),
        st.dates().map(str),
        st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + "Z"),
        st.datetimes().map(lambda moment: f"{moment:%b} {moment.day}, {moment.year:04} {moment:%I:%M:%S %p}"),
        st.datetimes().map(lambda moment: f"{moment:%b} {moment.day}, {moment.year:04}, {moment:%I:%M:%S\u202f%p}"),
    ),
)
schemathesis.openapi.format("buddy-paging-token", st.integers(1, 100).map(_paging_token))


@cache
def document():
    return yaml.load(PATH.read_text(), yaml.CSafeLoader)  # a safe loader, written in C


def api(*, max_examples: int) -> BaseSchema:
    """Return the description for schemathesis, which draws the same cases in each run."""
    # A copy, because schemathesis changes its argument.
    loaded = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))
    # `callers` adds the credentials, so schemathesis must not draw any.
    loaded.config.generation.update(
        deterministic=True, no_shrink=True, with_security_parameters=False, max_examples=max_examples
    )
    loaded.config.output.sanitization.update(enabled=False)
    return loaded.exclude(path="/events")  # this answer never ends: tests/live/test_events.py
