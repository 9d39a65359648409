"""Courtesies by their meaning: people find new words for them every day, and no list holds all.

Told by contrast: nearer to some courtesy than to any matter of work, by a
margin. One threshold would be one model's, since models differ in how near
they put everything to everything.
"""

from collections.abc import Sequence

from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.memory.words import content, figures, names

COURTESIES = (
    "Good morning, how are you?",
    "Hello everyone, welcome back.",
    "Thank you very much for your help.",
    "Thanks a lot, that was kind of you.",
    "You are welcome, no problem.",
    "Goodbye and see you soon.",
    "Have a nice weekend and enjoy your holiday.",
    "Enjoy your lunch.",
    "Congratulations and happy birthday!",
    "Best wishes and kind regards.",
    "Great job, well done, that is awesome.",
    "Sorry for the late reply.",
    "Okay, sounds good, I will do that.",
    "Talk to you later.",
    "I hope you are well.",
    "It was nice of you.",
)
MATTERS = (
    "The supplier delivers within ten days.",
    "The machine was repaired after it had broken down.",
    "She wants the report as a table.",
    "He does not like to be called in the evening.",
    "First check the order, then pay the invoice.",
    "The meeting about the contract was postponed.",
    "The customer complained about the quality of the parts.",
    "The office is closed on Monday.",
    "We found mistakes in the documents.",
    "A new colleague starts in the team in May.",
    "Never send drafts to customers.",
    "The price of the material has gone up.",
)
_MARGIN = 0.2
_MOST_CONTENT = 8


def in_question(told: Statement) -> bool:
    """Short, and neither data nor a number in it: could it be a courtesy at all?"""
    return (
        not told.structured
        and not figures(told.sentence)
        and len(content(told.sentence)) <= _MOST_CONTENT
    )


def without_names(text: str) -> str:
    """Whom a courtesy is for makes it no other courtesy."""
    whom = names(text)
    kept = [word for word in text.split() if not content(word) or not set(content(word)) <= whom]
    return " ".join(kept) or text


def is_courtesy(vector: bytes, courtesies: Sequence[bytes], matters: Sequence[bytes]) -> bool:
    """All vectors are packed, and of one model."""
    import numpy as np  # noqa: PLC0415 - not before the first vector is there

    here = np.frombuffer(vector, "<f4")
    nearest = [
        max(float(np.frombuffer(each, "<f4") @ here) for each in group)
        for group in (courtesies, matters)
    ]
    return nearest[0] - nearest[1] > _MARGIN
