"""A seeded fault."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.history.faults.editing import Edit

PARTS = "tests.history.faults.parts"


@dataclass(frozen=True)
class Fault:
    """A mistake: what it is, in words, and the edits that make it.

    Args:
        act: what the nemesis must do, as in the names of its acts; "none": the clients alone show the fault.
        often: what phones do more often than usually: the name of an act of `tests.history.clients`.
        is_slow: whether it shows after minutes only.
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
