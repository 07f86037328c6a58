"""The error that a wrong filter raises."""


class SelectionError(ValueError):
    """A filter is wrong. The text says which one, and why."""
