"""The schemas themselves see what is missing and what does not belong."""

import copy
from typing import Any

import pytest

from tests.contracts.anthropic.published import check

USAGE = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 3,
}
GOOD: dict[str, dict[str, Any]] = {
    "message": {
        "id": "req_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": USAGE,
    },
    "event": {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "a"},
    },
    "error": {"type": "error", "error": {"type": "api_error", "message": "No."}},
}
MISSING = [
    ("message", ("stop_reason",)),
    ("message", ("content", 0, "text")),
    ("message", ("usage", "output_tokens")),
    ("event", ("index",)),
    ("event", ("delta", "text")),
    ("error", ("error", "message")),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_passes_and_a_field_of_our_own_does_not(name: str) -> None:
    check(name, GOOD[name])
    with pytest.raises(AssertionError):
        check(name, GOOD[name] | {"timings": {}})


@pytest.mark.parametrize(("name", "path"), MISSING)
def test_a_missing_field_is_seen(name: str, path: tuple[str | int, ...]) -> None:
    answer = copy.deepcopy(GOOD[name])
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(AssertionError):
        check(name, answer)
