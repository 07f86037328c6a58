"""For services beside ZapAuth: ask its gate about each request, so that a logged-out token is refused at once."""

from zapauth_client.errors import Forbidden, NotPassed, Refused, Unavailable
from zapauth_client.gate import Gate
from zapauth_client.verdict import Verdict

__all__ = ["Forbidden", "Gate", "NotPassed", "Refused", "Unavailable", "Verdict"]
