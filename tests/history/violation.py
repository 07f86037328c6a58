"""A violation of a rule, with the calls that prove it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Violation:
    """``proof`` has the calls, disturbances or rows that contradict the rule, in the order in which to read them."""

    rule: int
    text: str
    proof: tuple[Any, ...] = ()

    def __str__(self) -> str:
        shown = " ".join(str(each) for each in self.proof)
        return f"rule {self.rule}: {self.text}: {shown}" if shown else f"rule {self.rule}: {self.text}"
