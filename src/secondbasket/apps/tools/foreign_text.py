"""Words of others, before a model or a person reads them."""

import unicodedata

_KEPT = "\n\t"


def cleaned(text: str, limit: int) -> str:
    """`text` without control, format and private characters, at most `limit` characters long.

    What nobody sees can still instruct a model: marks of direction, zero-width
    letters and the invisible tag characters go too.
    """
    head = text[: limit * 2]  # what is dropped is rarely half of it
    kept = "".join(c for c in head if c in _KEPT or not _unseen(c))
    return kept if len(kept) <= limit and len(text) <= limit * 2 else f"{kept[: limit - 1]}…"


def one_line(text: str, limit: int) -> str:
    """The same on one line, each run of blanks as one."""
    return cleaned(" ".join(text[: limit * 2].split()), limit)


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
