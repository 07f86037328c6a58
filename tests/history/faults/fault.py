"""A seeded fault."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.history.faults.editing import Edit

PARTS = "tests.history.faults.parts"


@dataclass(frozen=True)
class Fault:
    """A mistake: its description, and the edits that make it.

    Args:
        act: which acts of the nemesis it needs: a part of their names. "none": the clients alone show the fault.
        often: the name of an act of `tests.history.clients` that phones do more often than usual.
        is_slow: whether it shows only after minutes.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    act: str = "none"
    often: str = ""
    is_slow: bool = False

    def seed(self) -> Callable[[], None]:
        """Make the mistake in this process. Returns: a function that takes it back. Raises: CannotEdit."""
        with ExitStack() as stack:
            for edit in self.edits:
                stack.callback(edit.apply())
            return stack.pop_all().close


def fault(
    name: str, what: str, *edits: Edit, act: str = "none", often: str = "", is_slow: bool = False
) -> tuple[str, Fault]:
    return name, Fault(name, what, edits, act, often, is_slow)
