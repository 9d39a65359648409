"""What upstreams answer becomes chunks, and chunks become complete objects of the wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.chat import ChoiceDelta, Chunk, Fold, ToolCall, ToolCallDelta
from secondbasket.core.usage import Usage
from secondbasket.errors import (
    BasketError,
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamError,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.wires.openai.chat_answer import (
    ChatStreamEncoder,
    decode_chat_chunk,
    encode_chat_answer,
)
from secondbasket.wires.openai.completions import decode_completion_chunk
from secondbasket.wires.openai.embeddings import decode_embedding_answer
from secondbasket.wires.openai.errors import decode_error, encode_error


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_running_counts_are_read_from_timings() -> None:
    chunk = decode_chat_chunk(
        encoded(
            {
                "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
                "timings": {"cache_n": 3, "prompt_n": 31, "predicted_n": 1, "prompt_ms": 1.5},
            }
        )
    )
    assert chunk.usage == Usage(34, 1, 3)
    assert chunk.choices[0].text == "a"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'{"choices": 5}', b'{"choices":[{"index":"x"}]}', b"\xff"],
)
def test_what_is_not_of_the_wire_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        decode_chat_chunk(body)


@pytest.mark.parametrize("count", [-1, 2**31, 2**63, 10**30])
@pytest.mark.parametrize(
    "usage",
    [
        '{"usage": {"prompt_tokens": %d}}',
        '{"usage": {"completion_tokens": %d}}',
        '{"usage": {"prompt_tokens_details": {"cached_tokens": %d}}}',
        '{"timings": {"prompt_n": %d}}',
        '{"timings": {"prompt_n": 1, "cache_n": %d}}',
        '{"timings": {"prompt_n": 1, "predicted_n": %d}}',
    ],
)
def test_a_count_that_cannot_be_is_broken(usage: str, count: int) -> None:
    body = (usage % count).encode()
    with pytest.raises(UpstreamBroken):
        decode_chat_chunk(body)
    with pytest.raises(UpstreamBroken):
        decode_completion_chunk(body)
    if "timings" not in usage:
        with pytest.raises(UpstreamBroken, match="not of its wire"):
            decode_embedding_answer(body, inputs=0)


def test_a_success_that_carries_an_error_is_an_error() -> None:
    with pytest.raises(UpstreamBroken):
        decode_chat_chunk(encoded({"error": {"message": "overheated"}}))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded"}, UpstreamLimited),
        ({"type": "overloaded_error"}, UpstreamLimited),
        ({"type": "server_error", "code": None}, UpstreamError),
        ({"code": 502}, UpstreamError),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, UpstreamUnavailable),
        ({"type": "invalid_request_error", "param": "n"}, UpstreamRejected),
        ({"code": "content_filter"}, UpstreamRefused),
        ({"code": "context_length_exceeded"}, ContextLengthExceeded),
        ({"code": 17}, UpstreamBroken),
        ("overheated", UpstreamBroken),
        ({}, UpstreamBroken),
    ],
)
def test_an_error_inside_a_success_is_told_by_its_code(
    error: object, kind: type[BasketError]
) -> None:
    with pytest.raises(kind) as caught:
        decode_chat_chunk(encoded({"error": error}))
    assert type(caught.value) is kind


def test_a_code_may_say_more_than_its_status() -> None:
    def of(status: int, **error: object) -> BasketError:
        return decode_error(status, encoded({"error": {"message": "m", **error}}))

    assert type(of(400, code="model_not_found")) is UpstreamUnavailable
    assert type(of(429, code="insufficient_quota")) is UpstreamUnavailable
    assert type(of(400, code="content_policy_violation")) is UpstreamRefused
    assert type(of(403, code=403, metadata={"flagged_input": "…"})) is UpstreamRefused
    assert type(of(403, code=403)) is UpstreamUnavailable


def test_only_what_the_caller_can_mend_is_told_in_the_upstreams_words() -> None:
    for status in (401, 402, 403, 404, 409, 429, 451, 500, 503, 529):
        error = decode_error(status, encoded({"error": {"message": "org-123 on host-7"}}))
        assert "org-123" not in str(error)
        assert error.retryable
    assert "too long" in str(decode_error(422, encoded({"error": {"message": "too long"}})))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 100_000, b"\xff\xfe", b""])
def test_hostile_error_bodies_are_read_by_their_status(body: bytes) -> None:
    assert isinstance(decode_error(500, body), UpstreamError)
    with pytest.raises(UpstreamBroken):
        decode_chat_chunk(body)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, UpstreamRejected, False),
        (422, UpstreamRejected, False),
        (401, UpstreamUnavailable, True),
        (404, UpstreamUnavailable, True),
        (408, UpstreamTimeout, True),
        (429, UpstreamUnavailable, True),
        (500, BasketError, True),
        (503, UpstreamUnavailable, True),
    ],
)
def test_statuses_mean_final_or_retryable(
    status: int, kind: type[BasketError], retryable: bool
) -> None:
    error = decode_error(status, b"<html>oops</html>")
    assert isinstance(error, kind)
    assert error.retryable is retryable


def test_context_overflow_keeps_its_counts() -> None:
    error = decode_error(
        400,
        encoded(
            {
                "error": {
                    "code": 400,
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 18031,
                    "n_ctx": 8192,
                    "message": "…",
                }
            }
        ),
    )
    assert isinstance(error, ContextLengthExceeded)
    body = json.loads(encode_error(error))["error"]
    assert body["code"] == "context_length_exceeded"
    assert body["type"] == "invalid_request_error"
    assert "18031" in body["message"]
    assert "8192" in body["message"]


texts = st.lists(st.text(min_size=1, max_size=5), max_size=6)


@given(texts, texts)
def test_a_stream_folds_to_the_plain_answer(first: list[str], second: list[str]) -> None:
    fold = Fold()
    for index, pieces in enumerate((first, second)):
        for piece in pieces:
            fold.add(Chunk((ChoiceDelta(index=index, text=piece),)))
        fold.add(Chunk((ChoiceDelta(index=index, finish_reason="stop"),)))
    assert [choice.text for choice in fold.choices()] == ["".join(first), "".join(second)]


def test_tool_calls_and_logprobs_fold() -> None:
    fold = Fold()
    for chunk in (
        ChoiceDelta(tool_calls=(ToolCallDelta(0, "c1", "f", '{"a"'),)),
        ChoiceDelta(tool_calls=(ToolCallDelta(0, arguments=":1}"), ToolCallDelta(1, "c2", "g"))),
        ChoiceDelta(logprobs={"content": [{"token": "x"}]}),
        ChoiceDelta(logprobs={"content": [{"token": "y"}]}, finish_reason="tool_calls"),
    ):
        fold.add(Chunk((chunk,)))
    (choice,) = fold.choices()
    assert choice.tool_calls == [ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "")]
    assert choice.logprobs == {"content": [{"token": "x"}, {"token": "y"}]}
    answer = json.loads(
        encode_chat_answer(
            identity="i", created=1, model="m", choices=[choice], usage=Usage(1, 2, 0)
        )
    )
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"] is None
    assert message["tool_calls"][1]["function"] == {"name": "g", "arguments": ""}


@pytest.mark.parametrize("include_usage", [True, False])
def test_stream_objects_are_complete(include_usage: bool) -> None:
    encoder = ChatStreamEncoder(identity="i", created=1, model="m", include_usage=include_usage)
    events = [
        *encoder.chunk(Chunk((ChoiceDelta(),))),
        *encoder.chunk(Chunk((ChoiceDelta(text="a"),), Usage(1, 1))),
        *encoder.chunk(Chunk((ChoiceDelta(finish_reason="length"),))),
        *encoder.chunk(Chunk((), Usage(1, 1))),
        *encoder.end(Usage(1, 1)),
    ]
    objects = [json.loads(event) for event in events]
    assert objects[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert objects[1]["choices"][0]["delta"] == {"content": "a"}
    assert objects[2]["choices"][0]["finish_reason"] == "length"
    if include_usage:
        assert [event["usage"] for event in objects[:3]] == [None] * 3
        assert objects[3]["choices"] == []
        assert objects[3]["usage"]["total_tokens"] == 2
    else:
        assert len(objects) == 3
        assert not any("usage" in event for event in objects)
