"""The error of a filter that has no meaning."""


class SelectionError(ValueError):
    """The text says which filter is wrong, and how."""
