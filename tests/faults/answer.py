"""What every scripted upstream says: numbered words, so that a joint shows what it lost.

The whole answer is "w00 w01 … w59". A model that is asked to go on from some of it goes on from
the right word.
"""

import re
from itertools import pairwise
from typing import Literal

WORDS = 60
_WORD = re.compile(r"w(\d\d)")
_AGAIN = re.compile(r"<last_words>(?P<words>.*?)</last_words>", re.DOTALL)

Flaw = Literal["whole", "short", "missing", "repeated", "garbled"]


def fragments(first: int = 0) -> list[str]:
    """The answer from word `first` on, a fragment a token, spaces in front as tokenizers do."""
    return [f"w{number:02d}" if not number else f" w{number:02d}" for number in range(first, WORDS)]


TEXT = "".join(fragments())


def json_fragments() -> list[str]:
    """The same words as a JSON object: what a tool is called with, or a schema asks for."""
    first, *middle, last = fragments()
    return ['{"words": "' + first, *middle, last + '"}']


JSON_TEXT = "".join(json_fragments())

JSON_SCHEMA = {
    "type": "object",
    "properties": {"words": {"type": "string"}},
    "required": ["words"],
    "additionalProperties": False,
}


def begun(text: str) -> int:
    """How many words of the answer `text` holds already: the number of the next."""
    numbers = _WORD.findall(text)
    return int(numbers[-1]) + 1 if numbers else 0


def repeated(text: str) -> list[str]:
    """The last words that an explicit request to go on asks for again, a fragment a token."""
    found = _AGAIN.search(text)
    return re.findall(r" ?\S+", found["words"]) if found else []


def flaw(text: str, whole: str) -> Flaw:
    """What is wrong with `text`, which should be `whole`; 'missing' is a gap before its end."""
    if text == whole:
        return "whole"
    numbers = [int(number) for number in _WORD.findall(text)]
    steps = [after - before for before, after in pairwise(numbers)]
    if any(step < 1 for step in steps):
        return "repeated"
    if any(step > 1 for step in steps) or (numbers and numbers[0]):
        return "missing"
    return "short" if whole.startswith(text) else "garbled"
