"""Rule 1: a token that was dead before a call began is not accepted by that call."""

from tests.history.history import History, Outcome
from tests.history.rules.replay import replay
from tests.history.violation import Violation


def accepted_after_end(history: History) -> list[Violation]:
    """No call by a token that began after the answer to the token's logout arrived was accepted.

    The same holds after a call that refused the token, and for passwords that were replaced.
    """
    found = []
    for each in replay(history):
        call, killer = each.call, each.killer
        if call.outcome not in (Outcome.ACCEPTED, Outcome.DONE):
            continue
        if killer is not None:
            what = "a refusal" if killer.outcome is Outcome.REFUSED else "the answer to the end"
            found.append(Violation(1, f"a {call.op} was accepted after {what} of its session", (killer, call)))
        if each.retired is not None and call.op == "login":
            found.append(Violation(1, "a password was accepted after the answer to its change", (each.retired, call)))
    return found
