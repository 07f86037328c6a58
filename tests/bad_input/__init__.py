"""Bad input: the documented refusal, nothing changed, and the good token still good.

`routes` has one entry for each route; what holds for all routes of both dialects is tested over that table.
Here is what other tests use, too: it may be imported before Django is set up.
"""

from tests.bad_input.answers import UUID, buddy_error, buddy_success, zap_error, zap_fields, zap_success
from tests.bad_input.bugs import failing
from tests.bad_input.genuine import Genuine
from tests.bad_input.oddities import LIMIT

__all__ = [
    "LIMIT",
    "UUID",
    "Genuine",
    "buddy_error",
    "buddy_success",
    "failing",
    "zap_error",
    "zap_fields",
    "zap_success",
]
