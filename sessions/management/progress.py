"""How far it is: a bar at a terminal, a line now and then otherwise."""

import sys
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress(counts: Iterable[int], *, total: int, label: str, quiet: bool = False) -> Iterator[int]:
    """Passes ``counts`` on, each how many of ``total`` are done, and shows them unless ``quiet``."""
    out = sys.stderr
    if quiet:
        yield from counts
        return
    if not out.isatty():
        shown = 0
        for count in counts:
            if count - shown >= total / 10 or count >= total:
                print(f"{label}: {count} of {total}", file=out, flush=True)
                shown = count
            yield count
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=out)) as bar:
        task = bar.add_task(label, total=total)
        for count in counts:
            bar.update(task, completed=count)
            yield count
