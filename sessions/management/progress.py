"""Show the progress of a long command: a bar on a terminal, otherwise about ten lines."""

import sys
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress(
    counts: Iterable[int], *, total: int, label: str, tell: Callable[[int], object] | None = None
) -> Iterator[int]:
    """Yield ``counts`` unchanged and show them. Each count says how many of ``total`` are done.

    Args: tell: is called with about ten of the counts instead of showing them.
    """
    out = sys.stderr
    if tell is None and out.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=out)) as bar:
            task = bar.add_task(label, total=total)
            for count in counts:
                bar.update(task, completed=count)
                yield count
        return
    tell = tell or (lambda count: print(f"{label}: {count} of {total}", file=out, flush=True))
    told = 0
    for count in counts:
        if count - told >= total / 10 or told < total <= count:
            tell(count)
            told = count
        yield count
