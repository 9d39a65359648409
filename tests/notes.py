"""Rows for tests: notes of four kinds of defect, each with its code."""

import random
from collections.abc import Mapping
from typing import Any

from secondbasket.core.data_set import DataRow
from secondbasket.models.data.rows import row_of

_KINDS = (
    ("scratch", "surface", "grinding"),
    ("solder", "bridge", "reflow"),
    ("crack", "weld", "seam"),
    ("torque", "bolt", "loose"),
)
_PLACES = ("hall", "press", "gate", "dock", "oven", "lathe", "crane", "shed", "tank", "rack")


def row(question: str, answer: str, place: str = "line 1", **fields: Any) -> DataRow:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    content: Mapping[str, Any] = {"messages": messages, **fields}
    return row_of(content, "file:sha256:1", place)


def notes(count: int) -> list[DataRow]:
    drawn = random.Random(3)
    rows = []
    for index in range(count):
        words = list(_KINDS[index % 4])
        drawn.shuffle(words)
        where = " ".join(drawn.sample(_PLACES, 3))
        question = f"{' '.join(words)} seen near {where} by {index:05d}"
        rows.append(row(question, f"C{index % 4}", f"line {index + 1}", batch=index % 7, day=index))
    return rows
