"""The upstreams' contract, over each kind of provider that is asked over HTTP."""

import json
from typing import Any

import pytest

from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.testing.upstreams import (
    API_KEY,
    USAGE,
    WORDS,
    Create,
    UpstreamCase,
    UpstreamContract,
)


def facts() -> UpstreamFacts:
    return UpstreamFacts(
        name="u",
        provider="p",
        law="US",
        model="inner",
        task="chat",
        context_tokens=4096,
        price=Price(1_000_000, 2_000_000),
    )


def _event(data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"data: {text}\n\n".encode()


def _openai_failure(status: int, message: str) -> bytes:
    return json.dumps(
        {"error": {"message": message, "type": None, "param": None, "code": None}}
    ).encode()


class TestOpenAI(UpstreamContract):
    @pytest.fixture
    def case(self) -> UpstreamCase:
        def create(given: Create) -> OpenAIUpstream:
            return OpenAIUpstream(
                facts(),
                given.session,
                base_url=given.base_url,
                api_key=API_KEY,
                connect_seconds=given.connect_seconds,
            )

        def choice(finish: str | None = None, **delta: Any) -> bytes:
            return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        def call(**function: str) -> dict[str, Any]:
            head = {"id": "call_1", "type": "function"} if "name" in function else {}
            return {"index": 0, "function": function} | head

        counts = {
            "prompt_tokens": USAGE.input_tokens,
            "completion_tokens": USAGE.output_tokens,
        }
        end = [_event({"choices": [], "usage": counts}), _event("[DONE]")]
        whole = {
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(WORDS)},
                    "finish_reason": "stop",
                }
            ],
            "usage": counts,
        }
        return UpstreamCase(
            create=create,
            frames=[
                choice(role="assistant", content=""),
                *(choice(content=word) for word in WORDS),
                choice("stop"),
                *end,
            ],
            finish=len(WORDS) + 1,
            tool_frames=[
                choice(role="assistant", content=None),
                choice(tool_calls=[call(name="look", arguments="")]),
                choice(tool_calls=[call(arguments='{"place"')]),
                choice(tool_calls=[call(arguments=': "sea"}')]),
                choice("tool_calls"),
                *end,
            ],
            ping=choice(content=""),
            plain=json.dumps(whole).encode(),
            failure=_openai_failure,
            failing=_event({"error": {"message": "no", "type": "server_error", "code": None}}),
            overflow=json.dumps({"error": {"code": "context_length_exceeded"}}).encode(),
        )
