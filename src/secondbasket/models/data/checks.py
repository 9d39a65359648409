"""What is wrong with a data set, row by row: empty, doubled, doubted, contaminated."""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from secondbasket.core.data_set import DataRow, Fault, RowFault
from secondbasket.models.data.likeness import near_pairs
from secondbasket.models.data.rows import answer_of, question_of

_WORD = re.compile(r"\w+")
_FEATURES = 2_048
_NEIGHBOURS = 5
# So many of the neighbours say the same, and the row something else.
_AGREE = 4
_MOST_COMPARED = 4_000
_MOST_CHECKED = 50_000
_BLOCK = 512


def faults_of(rows: Sequence[DataRow], against: Mapping[str, Sequence[DataRow]]) -> list[RowFault]:
    """In the order of rows. `against` are eval sets, by name, that must not be in here."""
    faults = [*_empty(rows), *_one_class(rows), *_doubles(rows), *_doubted(rows)]
    for name, others in against.items():
        faults += _contaminated(rows, name, others)
    return sorted(faults, key=lambda each: each.row)


def _empty(rows: Sequence[DataRow]) -> Iterator[RowFault]:
    for index, row in enumerate(rows):
        if not answer_of(row.content).strip():
            yield _fault(rows, index, "the answer has no text", fault="empty answer")


def _one_class(rows: Sequence[DataRow]) -> Iterator[RowFault]:
    answers = {" ".join(answer_of(row.content).split()) for row in rows}
    if len(answers) == 1 and len(rows) > 1:
        yield _fault(rows, 0, f"all {len(rows)} rows have this one answer", fault="one class")


def _doubles(rows: Sequence[DataRow]) -> Iterator[RowFault]:
    first: dict[str, int] = {}
    once: list[int] = []
    for index, row in enumerate(rows):
        earlier = first.setdefault(row.digest, index)
        if earlier == index:
            once.append(index)
            continue
        yield _fault(
            rows,
            index,
            f"it is row {earlier + 1} again",
            fault="exact duplicate",
            other=rows[earlier].place,
        )
    texts = [f"{question_of(rows[at].content)}\n{answer_of(rows[at].content)}" for at in once]
    told: set[int] = set()
    for one, other, share in near_pairs(texts):
        if other in told:
            continue
        told.add(other)
        yield _fault(
            rows,
            once[other],
            f"{share:.0%} of it is row {once[one] + 1}",
            fault="near duplicate",
            other=rows[once[one]].place,
        )


def _contaminated(
    rows: Sequence[DataRow], name: str, others: Sequence[DataRow]
) -> Iterator[RowFault]:
    """Rows whose question is one of the eval's, or nearly."""
    asked = {_normal(question_of(each.content)): each.place for each in others}
    found: dict[int, tuple[str, str]] = {}
    for index, row in enumerate(rows):
        place = asked.get(_normal(question_of(row.content)))
        if place is not None:
            found[index] = ("its question is there word for word", place)
    # Those of the eval come first, so that each of ours meets them in the buckets.
    texts = [question_of(each.content) for each in (*others, *rows)]
    for one, other, share in near_pairs(texts):
        if one < len(others) <= other and other - len(others) not in found:
            found[other - len(others)] = (
                f"{share:.0%} of its question is there",
                others[one].place,
            )
    for index, (why, place) in found.items():
        yield _fault(rows, index, why, fault="contaminated", other=f"{name} {place}")


def _doubted(rows: Sequence[DataRow]) -> Iterator[RowFault]:
    """Rows whose nearest neighbours agree with one another, and not with the row."""
    rows = rows[:_MOST_CHECKED]
    labels = _labels(rows)
    if not labels or len(rows) <= _NEIGHBOURS:
        return
    vectors = _vectors([question_of(row.content) for row in rows])
    chosen = np.arange(len(rows))
    if len(rows) > _MOST_COMPARED:
        chosen = np.sort(np.random.default_rng(1).choice(len(rows), _MOST_COMPARED, replace=False))
    told: set[int] = set()
    for start in range(0, len(rows), _BLOCK):
        near = vectors[start : start + _BLOCK] @ vectors[chosen].T
        for offset, likeness in enumerate(near):
            index = start + offset
            likeness[chosen == index] = -1.0
            nearest = chosen[np.argpartition(-likeness, _NEIGHBOURS)[:_NEIGHBOURS]]
            for field, values in labels.items():
                common, count = Counter(values[at] for at in nearest).most_common(1)[0]
                if count >= _AGREE and common != values[index] and index not in told:
                    told.add(index)
                    of = f"{field} " if field else ""
                    yield _fault(
                        rows,
                        index,
                        f"{count} of the {_NEIGHBOURS} nearest rows have {of}{common[:60]!r},"
                        f" it has {values[index][:60]!r}",
                        fault="label doubted",
                        other=rows[int(nearest[0])].place,
                    )


def _labels(rows: Sequence[DataRow]) -> dict[str, list[str]]:
    """The answers, or the fields of JSON answers, that are labels: few values for many rows."""
    answers = [answer_of(row.content) for row in rows]
    objects = [_object(each) for each in answers]
    if all(each is not None for each in objects):
        names = {name for each in objects if each is not None for name in each}
        fields = {
            name: [str(each.get(name, "")) for each in objects if each is not None]
            for name in sorted(names)
        }
    else:
        fields = {"": [" ".join(each.split()) for each in answers]}
    return {
        name: values
        for name, values in fields.items()
        if 2 <= len(set(values)) <= max(2, len(values) // 5)
    }


def _object(text: str) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (ValueError, RecursionError):
        return None


def _vectors(texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Words and pairs of them, hashed, the rare ones heavier; of length 1."""
    counts = np.zeros((len(texts), _FEATURES), dtype=np.float32)
    for index, text in enumerate(texts):
        words = _WORD.findall(text.casefold())
        pairs = (f"{one} {other}" for one, other in pairwise(words))
        for each in (*words, *pairs):
            counts[index, zlib.crc32(each.encode()) % _FEATURES] += 1
    known = (counts > 0).sum(axis=0)
    counts *= np.log((1 + len(texts)) / (1 + known)).astype(np.float32)
    lengths = np.linalg.norm(counts, axis=1, keepdims=True)
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = counts / np.maximum(lengths, 1e-9)
    return vectors


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _fault(
    rows: Sequence[DataRow], index: int, why: str, *, fault: Fault, other: str = ""
) -> RowFault:
    return RowFault(row=index + 1, place=rows[index].place, fault=fault, why=why, other=other)
