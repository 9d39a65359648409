"""When two texts say the same: a rule over their words and how near their meanings are.

Vectors alone cannot tell. "The limit is 5 bar" and "The limit is 6 bar" are
nearer to each other than most paraphrases, and so are a sentence and its
denial. So words have a veto: the numbers, the denials and the names must be the
same, and one word put in another's place says something else.
"""

from itertools import takewhile

from secondbasket.apps.memory.words import content, denials, figures, names, normal

ALIKE = 0.80
"""The least cosine of two texts that say the same. design/memory.md has the figures."""
NAMED_ALIKE = 0.72
"""As `ALIKE`, for two statements with the same subject and the same object."""
_BEGIN_ALIKE = 0.75


def say_the_same(one: str, other: str, cosine: float | None) -> bool:
    """`cosine` is that of their vectors, None where there are none."""
    if normal(one) == normal(other):
        return True
    if not _same_marks(one, other):
        return False
    here, there = content(one), content(other)
    if sorted(here) == sorted(there):
        # The same words in another order: who did it to whom can be another, so meaning decides.
        return cosine is not None and cosine >= ALIKE and len(here) > 2
    if cosine is None or cosine < ALIKE:
        return False
    only_here, only_there = set(here) - set(there), set(there) - set(here)
    if len(only_here) != 1 or len(only_there) != 1:
        return True
    return _forms_of_one(only_here.pop(), only_there.pop())


def _forms_of_one(one: str, other: str) -> bool:
    """Are they 'send' and 'sent', 'write' and 'written'? Then they begin alike."""
    alike = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
    return alike >= _BEGIN_ALIKE * min(len(one), len(other))


def _same_marks(one: str, other: str) -> bool:
    if figures(one) != figures(other) or denials(one) != denials(other):
        return False
    # A name may stand where a sentence begins, so it is looked for among all words.
    return names(one) <= set(content(other)) and names(other) <= set(content(one))
