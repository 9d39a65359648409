"""The index of words: which memory holds which, and how often. Plain rows, on both databases.

Rows of our own in place of FTS5 and tsvector: both keep words of deleted texts
for as long as they like, and what was erased has to be gone. Ranked by BM25.
"""

from collections import Counter, defaultdict
from heapq import nlargest
from math import log

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from secondbasket.apps.memory.words import content
from secondbasket.stores.schema import memories, memory_words

_LONGEST_WORD = 64
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
_MOST_TERMS = 64


def index(connection: Connection, memory_id: str, text: str) -> None:
    """Hold the words of `text` for a memory, in place of those it had."""
    connection.execute(delete(memory_words).where(memory_words.c.memory_id == memory_id))
    counts = _counts(text)
    if counts:
        rows = [
            {"word": word, "memory_id": memory_id, "count": count} for word, count in counts.items()
        ]
        connection.execute(insert(memory_words), rows)


def length(text: str) -> int:
    return sum(_counts(text).values())


def best(
    connection: Connection, query: str, *where: ColumnElement[bool], limit: int
) -> list[tuple[str, float]]:
    """(id, score) of the memories that `where` takes and that hold a word of `query`."""
    terms = list(_counts(query))[:_MOST_TERMS]
    if not terms:
        return []
    total, mean = connection.execute(
        select(func.count(), func.avg(memories.c.length)).where(*where)
    ).one()
    rows = connection.execute(
        select(
            memory_words.c.word,
            memory_words.c.memory_id,
            memory_words.c.count,
            memories.c.length,
        )
        .join(memories, memories.c.id == memory_words.c.memory_id)
        .where(memory_words.c.word.in_(terms), *where)
    ).all()
    holders = Counter(row.word for row in rows)
    scores: defaultdict[str, float] = defaultdict(float)
    for word, memory_id, count, words in rows:
        rarity = log(1 + (total - holders[word] + 0.5) / (holders[word] + 0.5))
        longer = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * words / float(mean)
        scores[memory_id] += rarity * count * (_SATURATION + 1) / (count + _SATURATION * longer)
    return nlargest(limit, scores.items(), key=lambda each: (each[1], each[0]))


def _counts(text: str) -> Counter[str]:
    return Counter(each[:_LONGEST_WORD] for each in content(text))
