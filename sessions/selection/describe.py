"""A selection in words for people: names instead of ids, and "everyone" if it selects all sessions."""

from sessions.selection.filters import FILTERS
from sessions.selection.selection import Selection


def in_one_line(selection: Selection) -> str:
    """Return the selection in one line, for example "app: ZAP; not used for 30 days"."""
    phrases = {declared.label for declared in FILTERS.values() if declared.reads_on}
    return "; ".join(
        f"{label.lower()}{'' if label in phrases else ':'} {wanted}" for label, wanted in in_words(selection)
    )


def in_words(selection: Selection) -> list[tuple[str, str]]:
    """Return the label and the words of each filter. Two filters with the same label share one line."""
    said: dict[str, list[str]] = {}
    for name, value in selection.given().items():
        declared = FILTERS[name]
        said.setdefault(declared.label_of(value), []).append(declared.words(value))
    return [(label, " and ".join(words)) for label, words in said.items()]
