"""The schemas themselves: they accept what the document accepts and see what is missing."""

import copy
from typing import Any

import pytest

from tests.contracts.openai.published import check

USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
CHOICE = {
    "index": 0,
    "message": {"role": "assistant", "content": "Hello.", "refusal": None},
    "logprobs": None,
    "finish_reason": "stop",
}
HEAD = {"id": "req_1", "created": 1741569952, "model": "m"}
GOOD: dict[str, dict[str, Any]] = {
    "chat_completion": {**HEAD, "object": "chat.completion", "choices": [CHOICE], "usage": USAGE},
    "chat_completion_chunk": {
        **HEAD,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
        "usage": None,
    },
    "completion": {
        **HEAD,
        "object": "text_completion",
        "choices": [{"index": 0, "text": "Hi", "logprobs": None, "finish_reason": "length"}],
        "usage": USAGE,
    },
    "embeddings": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    },
    "models": {
        "object": "list",
        "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "us"}],
    },
    "model": {"id": "m", "object": "model", "created": 1, "owned_by": "us"},
    "error": {"error": {"message": "No.", "type": "t", "param": None, "code": None}},
}
MISSING = [
    ("chat_completion", ("choices", 0, "logprobs")),
    ("chat_completion", ("choices", 0, "message", "refusal")),
    ("chat_completion", ("choices", 0, "message", "content")),
    ("chat_completion", ("usage", "total_tokens")),
    ("chat_completion_chunk", ("choices", 0, "finish_reason")),
    ("chat_completion_chunk", ("id",)),
    ("completion", ("choices", 0, "logprobs")),
    ("embeddings", ("usage",)),
    ("models", ("data", 0, "owned_by")),
    ("error", ("error", "param")),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_passes_and_an_engines_own_field_does_not(name: str) -> None:
    check(name, GOOD[name])
    with pytest.raises(AssertionError, match="timings"):
        check(name, GOOD[name] | {"timings": {}})


@pytest.mark.parametrize(("name", "path"), MISSING)
def test_a_missing_required_field_is_seen(name: str, path: tuple[str | int, ...]) -> None:
    broken = copy.deepcopy(GOOD[name])
    place: Any = broken
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(AssertionError, match=str(path[-1])):
        check(name, broken)
