"""`python -m tests.history.peers`: torture the peers, and print what the checker has found."""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.history.checker import check
from tests.history.history import History
from tests.history.peers.services import PEERS, Peer
from tests.history.peers.torture import torture
from tests.history.violation import Violation


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.history.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"some of {', '.join(PEERS)}; by default all")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| peer | operations | what the checker found | how often | first one after |")
    print("| --- | ---: | --- | ---: | ---: |")
    for name in options.peers or PEERS:
        with tempfile.TemporaryDirectory(prefix="zapauth peers ", ignore_cleanup_errors=True) as folder:
            history = torture(PEERS[name], seconds=options.seconds, seed=options.seed, folder=Path(folder))
        for line in lines_of(PEERS[name], history):
            print(line, flush=True)


def lines_of(peer: Peer, history: History) -> Iterable[str]:
    """Yield the lines of the table about one peer: one for each kind of violation."""
    found = check(history)
    began, operations = history.calls[0].began, f"{len(history.calls):,}"
    if not found:
        yield f"| {peer.what} | {operations} | nothing | 0 | |"
    for (rule, text), times in Counter((each.rule, each.text) for each in found).items():
        first = min(_when(each, began) for each in found if each.text == text)
        yield f"| {peer.what} | {operations} | rule {rule}: {text} | {times:,} | {first:.1f} s |"


def _when(violation: Violation, began: int) -> float:
    """The seconds from the first call to the answer that completes the proof."""
    return max((each.ended - began) / 1e9 for each in violation.proof if getattr(each, "ended", None))


if __name__ == "__main__":
    main()
