"""A minute of torture: real servers, a real database, and a nemesis. No promise may be broken. See docs/proof.md."""

import os
import tempfile
from pathlib import Path

from tests.history import servers
from tests.history.history import Outcome
from tests.history.run import Options, run
from tests.log_secrets import check_output

SECONDS, SEED = 60, 1
PHONES = 5  # other tests need the processors, too
# Without these the run would prove little.
NEEDED = {
    ("login", Outcome.DONE),
    ("read", Outcome.ACCEPTED),
    ("read", Outcome.REFUSED),
    ("refresh", Outcome.ACCEPTED),
    ("logout", Outcome.DONE),
    ("push_check", Outcome.ACCEPTED),
    ("push_check", Outcome.REFUSED),
}


def test_a_minute_of_torture_breaks_no_promise(prepared):
    assert servers.faketime() or not os.environ.get("CI"), "install Debian's package faketime"
    # Not in pytest's folder: a second run of pytest would take PostgreSQL's access to it away.
    with tempfile.TemporaryDirectory(prefix="zapauth-torture-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        prepared.copy_to(folder / "database")
        result = run(Options(seconds=SECONDS, seed=SEED, phones=PHONES), folder)
        check_output("".join(log.read_text() for log in folder.glob("server_*.log")))
    assert not result.failures
    assert not result.violations, "\n".join(str(each) for each in result.violations[:20])
    assert {(call.op, call.outcome) for call in result.history.calls} >= NEEDED
    assert len({each.act for each in result.history.disturbances}) >= 3
