"""Bad input: the refusal is documented, nothing changes, and the good token stays good.

`routes` has one entry for each route. Tests that hold for all routes of both dialects run over that table.
Other tests also use this module, so it can be imported before Django is set up.
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
