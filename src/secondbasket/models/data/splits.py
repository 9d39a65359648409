"""Splits that do not leak: what belongs together lands on one side, and the seed decides where."""

import random
from collections.abc import Sequence
from typing import Any

from secondbasket.core.data_set import DataRow
from secondbasket.errors import InvalidRequest
from secondbasket.models.data.likeness import near_pairs
from secondbasket.models.data.rows import question_of


def split_rows(
    rows: Sequence[DataRow], *, share: float, seed: int, group: str | None, time: str | None
) -> tuple[list[int], list[int]]:
    """(train, held out): positions of rows, each in one of them, about `share` held out.

    Rows of one `group`, and near duplicates, are never parted. With `time` the latest are held
    out: then a whole cluster counts by its latest row. Raises InvalidRequest for a field that a
    row lacks, and where everything hangs together.
    """
    for field in (group, time):
        missing = [each.place for each in rows if field is not None and field not in each.content]
        if missing:
            raise InvalidRequest(
                f"{len(missing)} rows have no '{field}', the first at {missing[0]}.",
                hint="Name a field that every row has.",
            )
    clusters = _clusters(rows, group)
    if len(clusters) < 2:
        raise InvalidRequest(
            "All rows belong together, by their group or by being nearly the same: none can be"
            " held out without a leak.",
            hint="Split by another field, or add rows.",
        )
    if time is None:
        random.Random(seed).shuffle(clusters)
    else:
        clusters.sort(key=lambda each: max(_moment(rows[at].content[time]) for at in each))
        clusters.reverse()
    wanted = share * len(rows)
    held: list[int] = []
    for index, each in enumerate(clusters):
        last = index == len(clusters) - 1
        # The one that passes the share by more than it misses it now stays out of it.
        if not held or (not last and len(held) + len(each) / 2 <= wanted):
            held += each
        elif time is not None:
            break
    train = sorted(set(range(len(rows))) - set(held))
    return train, sorted(held)


def _moment(value: Any) -> tuple[bool, float, str]:
    """Numbers before texts, each in their own order; RFC 3339 sorts as text."""
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, "" if number else str(value))


def _clusters(rows: Sequence[DataRow], group: str | None) -> list[list[int]]:
    parents = list(range(len(rows)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        question = " ".join(question_of(row.content).casefold().split())
        keys = [f"question {question}"]
        if group is not None:
            keys.append(f"group {row.content[group]!r}")
        for key in keys:
            parents[root(index)] = root(first.setdefault(key, index))
    for one, other, _ in near_pairs([question_of(row.content) for row in rows]):
        parents[root(other)] = root(one)
    found: dict[int, list[int]] = {}
    for index in range(len(rows)):
        found.setdefault(root(index), []).append(index)
    return list(found.values())
