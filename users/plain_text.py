"""Write a text in lower case and without accents, like the SQL function `users_plain`; and find where it matches."""

import re
import unicodedata
from collections.abc import Iterable

# Letters that NFKD does not split.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "ħ": "h", "ŧ": "t", "ß": "ss", "æ": "ae", "œ": "oe"}
)
_MARKS = re.compile("[\u0300-\u036f]")


def plain(text: str) -> str:
    """Return ``text`` in lower case and without accents: `Élise Łuk` becomes `elise luk`."""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower().translate(_LETTERS)


def spans(text: str, terms: Iterable[str]) -> list[tuple[int, int]]:
    """Return where the ``terms`` are in ``text``, in its own characters, in order and without overlaps."""
    letters = [(letter, place) for place, character in enumerate(text) for letter in plain(character)]
    flat = "".join(letter for letter, _ in letters)
    hit: set[int] = set()
    for term in filter(None, map(plain, terms)):
        for match in re.finditer(f"(?={re.escape(term)})", flat):
            hit |= {place for _, place in letters[match.start() : match.start() + len(term)]}
    found: list[tuple[int, int]] = []
    for place in sorted(hit):
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found
