"""Draw the cases of an operation when its test runs, instead of when the test is collected.

Each process of the suite collects all tests, but only one runs these. To draw the systematic cases of all operations
takes four seconds of processor time.
"""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

from schemathesis.pytest import _test_builder

_build: Callable[..., Callable[..., Any]] = _test_builder.build_operation_test


def install() -> None:
    """Replace the function with which schemathesis makes the test of an operation while it collects."""
    _test_builder.build_operation_test = _later


def _later(*, test_func: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a test that takes the same fixtures, and that makes the real test when it is called."""

    # Hypothesis refuses a test that is not one of its own and has attributes of one.
    @wraps(test_func, updated=())
    def test(**fixtures: Any) -> None:
        real = _build(test_func=test_func, **options)
        # Schemathesis reads these attributes after the call, and reports what it could not draw.
        vars(test).update(vars(real))
        real(**fixtures)

    plain = signature(test_func)
    fixtures = [each for name, each in plain.parameters.items() if name != "case"]
    keyword_only = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in fixtures]
    test.__signature__ = plain.replace(parameters=keyword_only)  # type: ignore[attr-defined]
    return test
