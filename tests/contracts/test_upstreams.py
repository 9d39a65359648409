"""The upstreams' contract, over each kind of provider that is asked over HTTP."""

import json
from typing import Any

import pytest

from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.upstreams.anthropic import AnthropicUpstream
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
            "prompt_tokens_details": {"cached_tokens": USAGE.cached_input_tokens},
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


def _anthropic_event(kind: str, **more: Any) -> bytes:
    data = json.dumps({"type": kind, **more})
    return f"event: {kind}\ndata: {data}\n\n".encode()


_TYPES = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def _anthropic_failure(status: int, message: str) -> bytes:
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    ).encode()


class TestAnthropic(UpstreamContract):
    @pytest.fixture
    def case(self) -> UpstreamCase:
        def create(given: Create) -> AnthropicUpstream:
            return AnthropicUpstream(
                facts(),
                given.session,
                base_url=given.base_url,
                api_key=API_KEY,
                connect_seconds=given.connect_seconds,
            )

        start = _anthropic_event(
            "message_start",
            message={
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "inner",
                "content": [],
                "stop_reason": None,
                "usage": {
                    "input_tokens": 2,
                    "cache_creation_input_tokens": 4,
                    "cache_read_input_tokens": 1,
                    "output_tokens": 1,
                },
            },
        )

        def block(kind: str, **more: Any) -> bytes:
            given = {"type": kind, **more}
            return _anthropic_event("content_block_start", index=0, content_block=given)

        def gain(kind: str, **more: Any) -> bytes:
            return _anthropic_event("content_block_delta", index=0, delta={"type": kind, **more})

        def end(reason: str) -> list[bytes]:
            return [
                _anthropic_event("content_block_stop", index=0),
                _anthropic_event(
                    "message_delta",
                    delta={"stop_reason": reason, "stop_sequence": None},
                    usage={"output_tokens": USAGE.output_tokens},
                ),
                _anthropic_event("message_stop"),
            ]

        whole = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "inner",
            "content": [{"type": "text", "text": "".join(WORDS)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 2,
                "cache_creation_input_tokens": 4,
                "cache_read_input_tokens": 1,
                "output_tokens": USAGE.output_tokens,
            },
        }
        long = "prompt is too long: 9000 tokens > 4096 maximum"
        return UpstreamCase(
            create=create,
            frames=[
                start,
                block("text", text=""),
                *(gain("text_delta", text=word) for word in WORDS),
                *end("end_turn"),
            ],
            finish=len(WORDS) + 3,
            tool_frames=[
                start,
                block("tool_use", id="toolu_1", name="look", input={}),
                gain("input_json_delta", partial_json=""),
                gain("input_json_delta", partial_json='{"place"'),
                gain("input_json_delta", partial_json=': "sea"}'),
                *end("tool_use"),
            ],
            ping=_anthropic_event("ping"),
            plain=json.dumps(whole).encode(),
            failure=_anthropic_failure,
            failing=_anthropic_event("error", error={"type": "overloaded_error", "message": "no"}),
            overflow=_anthropic_failure(400, long),
        )
