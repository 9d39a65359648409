"""Meanings as vectors: packed into rows, and searched by brute force, a block at a time.

A company's memories are thousands, and a hundred thousand are still a product
of a matrix and a vector; nothing is held in memory between two searches.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from heapq import nlargest

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from secondbasket.core.data_class import DataClass
from secondbasket.stores.schema import memories, memory_vectors

Embed = Callable[[Sequence[str], DataClass], Awaitable[Sequence[Sequence[float]]]]
"""The vectors of texts of a class, in order. Raises BasketError where nothing can make them."""

_BLOCK_ROWS = 2_000


class Embedder(msgspec.Struct, frozen=True):
    """`model` names what makes the vectors: those of two models do not compare."""

    model: str
    embed: Embed


def packed(vector: Sequence[float]) -> bytes:
    """`vector` at length 1, as float32; b"" for one without a direction."""
    import numpy as np  # noqa: PLC0415 - not before the first vector is there

    array = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(array))
    return b"" if not length else (array / length).astype("<f4").tobytes()


def nearest(
    connection: Connection,
    vector: bytes,
    model: str,
    *where: ColumnElement[bool],
    least: float,
    limit: int,
) -> list[tuple[str, float]]:
    """(id, cosine) of the memories that `where` takes, nearest first, none below `least`."""
    import numpy as np  # noqa: PLC0415 - as above

    wanted = np.frombuffer(vector, "<f4")
    query = (
        select(memory_vectors.c.memory_id, memory_vectors.c.vector)
        .join(memories, memories.c.id == memory_vectors.c.memory_id)
        .where(memory_vectors.c.model == model, *where)
    )
    found: list[tuple[str, float]] = []
    for rows in connection.execute(query).partitions(_BLOCK_ROWS):
        block = [row for row in rows if len(row.vector) == len(vector)]
        if not block:
            continue
        matrix = np.frombuffer(b"".join(row.vector for row in block), "<f4")
        cosines = matrix.reshape(len(block), len(wanted)) @ wanted
        best = np.argsort(cosines)[-limit:]
        found += [(block[at].memory_id, float(cosines[at])) for at in best]
    near = nlargest(limit, found, key=lambda each: (each[1], each[0]))
    return [each for each in near if each[1] >= least]


def alike(vectors: Sequence[bytes], least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs (later, earlier, cosine) of positions whose vectors are at least that near."""
    import numpy as np  # noqa: PLC0415 - as above

    here = [at for at, vector in enumerate(vectors) if vector]
    if not here:
        return
    longest = max(len(vectors[at]) for at in here)
    here = [at for at in here if len(vectors[at]) == longest]
    matrix = np.frombuffer(b"".join(vectors[at] for at in here), "<f4").reshape(len(here), -1)
    for row in range(1, len(here)):
        cosines = matrix[:row] @ matrix[row]
        for column in np.nonzero(cosines >= least)[0]:
            yield here[row], here[int(column)], float(cosines[column])
