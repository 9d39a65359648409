"""The words of a question that say what it is about."""

import re

# Of English: they stand in nearly every passage, and say nothing of any.
_COMMON = frozenset(
    "a about all also am an and any are as at be been being but by can could did do does doing for"
    " from had has have having he her here him his how i if in into is it its just me more most my"
    " no nor not of on or other our out over own s same she should so some such t than that the"
    " their them then there these they this those through to too under up us very was we were what"
    " when where which while who whom whose why will with would you your".split()
)
_WORD = re.compile(r"[^\W_]+")
_MOST = 32


def words_of(question: str) -> list[str]:
    """In small letters, each once, at most 32; all of them where none says anything."""
    found = list(dict.fromkeys(_WORD.findall(question.lower())))
    return ([word for word in found if word not in _COMMON] or found)[:_MOST]
