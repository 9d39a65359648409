"""What can be told at all, and how a wrong telling is refused."""

from typing import Any

import pytest

from secondbasket.apps.memory.statement import MOST_TEXT, Statement, checked
from secondbasket.errors import InvalidRequest

FACT: dict[str, Any] = {
    "kind": "fact",
    "sources": ("person:ann",),
    "subject": "press 3",
    "predicate": "limit",
    "object": "5 bar",
}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"object": " "}, "subject"),
        ({"sources": ()}, "sources"),
        ({"sources": ("ann",)}, "source"),
        ({"sources": ("person:",)}, "source"),
        ({"sources": ("memory:mem_1",)}, "source"),
        ({"text": "x" * (MOST_TEXT + 1)}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"subject": "x" * 201}, "subject"),
        ({"confidence": 0.0}, "confidence"),
        ({"confidence": 1.5}, "confidence"),
        ({"data_class": "cosmic"}, "data_class"),
        ({"valid_from": "yesterday"}, "valid_from"),
        ({"valid_from": "2026-10-02T00:00Z", "valid_until": "2026-10-01T00:00Z"}, "valid_until"),
        ({"kind": "episode", "predicate": ""}, "predicate"),
        ({"kind": "episode", "object": ""}, "object"),
        ({"derived_from": tuple(f"mem_{n}" for n in range(40))}, "sources"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked(Statement(**FACT | fields))
    assert caught.value.param == param


def test_what_is_right_is_put_in_order() -> None:
    told = checked(
        Statement(
            **FACT
            | {
                "subject": " press 3 ",
                "sources": ("task:t", "person:ann", "task:t"),
                "valid_from": "2026-10-01T02:00:00+02:00",
                "data_class": "Internal",
            }
        )
    )
    assert told.subject == "press 3"
    assert told.sources == ("person:ann", "task:t")
    assert told.valid_from == "2026-10-01T00:00:00.000Z"
    assert told.data_class == "internal"
    assert told.sentence == "press 3 limit 5 bar"
