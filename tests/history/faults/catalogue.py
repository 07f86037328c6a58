"""The seeded faults, by name. Each is as small as a real mistake. Otherwise the server works."""

from tests.history.faults.of_service import ADDRESSES, OUTAGES
from tests.history.faults.of_sessions import ENDINGS, TOKENS, VERDICTS

FAULTS = dict([*VERDICTS, *ENDINGS, *TOKENS, *ADDRESSES, *OUTAGES])
