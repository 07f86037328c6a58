"""Edit the product's code in this process: a function's source, the text of a prepared statement, or a constant.

An edit names its text exactly, and the text must occur once. So if a change of the product moves the text, a test
fails, and no fault silently does nothing.
"""

import ast
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from inspect import getsourcefile, unwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from users.statement import Statement


class CannotEdit(Exception):
    """The target has changed: the edit no longer fits."""


@dataclass(frozen=True)
class Edit:
    """Replace ``old`` by ``new`` in ``target``, such as `sessions.models.session:Session.refusal`."""

    target: str
    old: str
    new: str

    def apply(self) -> Callable[[], None]:
        """Change the target in this process, for all modules that have imported it.

        A connection that has prepared a statement goes on with its old text.

        Returns: a function that takes the change back. Raises: CannotEdit.
        """
        found = self._found
        if isinstance(found, Statement):
            before = dict(vars(found))
            # Send only the parameters that the new text has.
            Statement.__init__(found, self.edited)
            return lambda: vars(found).update(before)
        if isinstance(found, FunctionType):
            code, found.__code__ = found.__code__, self._compiled(found)
            return lambda: setattr(found, "__code__", code)
        setattr(self._module, self._name, ast.literal_eval(self.edited))
        return lambda: setattr(self._module, self._name, found)

    @property
    def text(self) -> str:
        """The target's present text."""
        found = self._found
        if isinstance(found, Statement):
            return re.sub(r"\$(\d+)", lambda match: f"%({found.names[int(match[1]) - 1]})s", found.sql)
        return self._source[1] if isinstance(found, FunctionType) else repr(found)

    @property
    def edited(self) -> str:
        """The target's text with the edit. Raises: CannotEdit."""
        text = self.text
        if text.count(self.old) != 1:
            raise CannotEdit(f"{self.target} has this {text.count(self.old)} times:\n{self.old}")
        return text.replace(self.old, self.new)

    @cached_property
    def _module(self) -> ModuleType:
        return import_module(self.target.partition(":")[0])

    @property
    def _name(self) -> str:
        return self.target.partition(":")[2]

    @property
    def _found(self) -> Any:
        found: Any = self._module
        for name in self._name.split("."):
            found = getattr(found, name)
        return unwrap(found) if callable(found) else found

    @cached_property
    def _source(self) -> tuple[int, str]:
        """The number of the function's first line, and its lines in the file, without decorators."""
        path = getsourcefile(self._module)
        assert path is not None
        lines = Path(path).read_text().splitlines(keepends=True)
        node: Any = ast.parse("".join(lines))
        for name in self._name.split("."):
            node = next(each for each in node.body if getattr(each, "name", None) == name)
        return node.lineno, "".join(lines[node.lineno - 1 : node.end_lineno])

    def _compiled(self, function: FunctionType) -> Any:
        line, _ = self._source
        # The empty lines give the code its true line numbers.
        text = "\n" * (line - 1) + textwrap.dedent(self.edited)
        made: dict[str, Any] = {}
        exec(compile(text, function.__code__.co_filename, "exec"), function.__globals__, made)  # noqa: S102
        code = made[function.__name__].__code__
        if code.co_freevars != function.__code__.co_freevars:
            raise CannotEdit(f"{self.target} is a closure")
        return code


@dataclass(frozen=True)
class WithoutPart(Edit):
    """Leave a part of a statement out: the query named ``old`` in its WITH."""

    new: str = ""

    @property
    def edited(self) -> str:
        """The statement without the part. Raises: CannotEdit."""
        text, count = re.subn(rf"^{self.old} AS \(\n.*?\n\),\n", "", self.text, flags=re.DOTALL | re.MULTILINE)
        if count != 1:
            raise CannotEdit(f"{self.target} has {count} parts {self.old}")
        return text
