"""`python -m tests.history.faults`: seed faults, one in each run. Exits with 1 if the checker misses one of them."""

import argparse
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.history.faults.catalogue import FAULTS
from tests.history.faults.run import Finding, find, prepared, table
from tests.history.run import Options, folder_of
from tests.history.town import Town

# Growth shows after minutes only (`tests.history.rules.growth`), and a leak of connections after several outages.
_SLOW_SECONDS = 200.0


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    missed: list[str] = []

    def findings() -> Iterator[Finding]:
        with folder_of(options.keep) as folder, prepared(folder) as town:
            for name in options.faults or FAULTS:
                found = _find(name, town, folder, options)
                missed.extend([name] if found.first is None else [])
                yield found

    for line in table(findings()):
        print(line, flush=True)
    count = len(options.faults or FAULTS)
    print(f"found: {count - len(missed)} of {count} faults")
    return 1 if missed else 0


def _find(name: str, town: Town, folder: Path, options: argparse.Namespace) -> Finding:
    fault, own = FAULTS[name], folder / name
    own.mkdir(exist_ok=True)
    seconds = max(options.seconds, _SLOW_SECONDS) if fault.is_slow else options.seconds
    chosen = Options(seconds=seconds, seed=options.seed, phones=options.phones, only=fault.act if options.quick else "")
    found = find(name, town, own, chosen, quick=options.quick)
    for failure in found.failures:
        print(f"the run with {name} has failed: {failure}", file=sys.stderr)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.history.faults", description="Run each seeded fault.")
    parser.add_argument("faults", nargs="*", metavar="NAME", help=f"some of them: {', '.join(FAULTS)}; by default all")
    parser.add_argument("--seconds", type=float, default=60, metavar="N", help="of each run (60)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all choices (1)")
    parser.add_argument("--phones", type=int, default=8, metavar="N", help="clients that use phones (8)")
    parser.add_argument(
        "--quick", action="store_true", help="only what the fault needs: clients, servers, acts of the nemesis"
    )
    parser.add_argument("--keep", metavar="FOLDER", help="keep each run's history, dump and logs there")
    options = parser.parse_args()
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
