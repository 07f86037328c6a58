"""`python -m tests.history`: run a history and check it. Exits with 1 if a promise was broken. See docs/proof.md."""

import argparse
import signal
import sys
from pathlib import Path

from tests.history.checker import check
from tests.history.database import load
from tests.history.history import read
from tests.history.run import DATABASE, HISTORY, Options, folder_of, run
from tests.history.servers import LONGEST_RUN


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.check is not None:
        return _check_again(Path(options.check))
    chosen = Options(seconds=options.seconds, seed=options.seed, phones=options.phones, only=options.only)
    with folder_of(options.keep) as folder:
        result = run(chosen, folder)
    for violation in result.violations[:50]:
        print(violation)
    for failure in result.failures:
        print(f"the run has failed: {failure}")
    print(result.report())
    print(result.line())
    return 0 if result.is_good else 1


def _check_again(folder: Path) -> int:
    """Check a history that was kept."""
    history = read((folder / HISTORY).read_text().splitlines())
    violations = check(history, load(folder / DATABASE) if (folder / DATABASE).exists() else None)
    for violation in violations:
        print(violation)
    print(f"{len(history.calls):,} operations, {len(violations)} violations")
    return 1 if violations else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.history", description="Run a history and check it.")
    parser.add_argument("--seconds", type=float, default=60, metavar="N", help="how long the clients live (60)")
    parser.add_argument("--minutes", type=float, metavar="N", help="the same in minutes")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all choices (1)")
    parser.add_argument("--phones", type=int, default=8, metavar="N", help="clients that use phones (8)")
    parser.add_argument("--only", default="", metavar="TEXT", help='only acts of the nemesis with this text; or "none"')
    parser.add_argument("--keep", metavar="FOLDER", help="keep history, dump and logs there")
    parser.add_argument("--check", metavar="FOLDER", help="check a history that was kept, and run nothing")
    options = parser.parse_args(arguments)
    options.seconds = options.minutes * 60 if options.minutes else options.seconds
    if options.seconds > LONGEST_RUN - 300:
        parser.error(f"at most {LONGEST_RUN - 300} seconds: then access tokens expire")
    return options


if __name__ == "__main__":
    sys.exit(main())
