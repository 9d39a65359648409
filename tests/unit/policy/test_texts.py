"""Every place of a request that can hold text is looked at; what cannot be read is said."""

from typing import Any

import pytest

from secondbasket.core.chat import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    MediaPart,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolCall,
    ToolSpec,
)
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.texts import texts_of

NEEDLE = "DE89 3704 0044 0532 0130 00"
PLAIN = Message(role="user", content="hello")


def chat(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages or (PLAIN,), **fields)


@pytest.mark.parametrize(
    "request_",
    [
        *(
            chat(PLAIN, Message(role=role, content=NEEDLE))
            for role in ("system", "developer", "user", "assistant", "tool", "function")
        ),
        chat(Message(role="user", content=(TextPart("see"), TextPart(NEEDLE)))),
        chat(Message(role="user", name=NEEDLE)),
        chat(Message(role="assistant", tool_calls=(ToolCall("1", "pay", f'{{"to":"{NEEDLE}"}}'),))),
        chat(Message(role="assistant", tool_calls=(ToolCall(NEEDLE, "pay", "{}"),))),
        chat(Message(role="tool", content="paid", tool_call_id=NEEDLE)),
        chat(Message(role="assistant", content="x", extra={"reasoning_content": NEEDLE})),
        chat(tools=(ToolSpec(name="pay", description=NEEDLE),)),
        chat(
            tools=(
                ToolSpec(
                    name="pay",
                    parameters={"properties": {"to": {"enum": ["a", {"description": NEEDLE}]}}},
                ),
            )
        ),
        chat(tools=(ToolSpec(name="pay", parameters={"properties": {NEEDLE: {}}}),)),
        chat(response_format=ResponseFormat("json_schema", {"schema": {"title": NEEDLE}})),
        chat(sampling=Sampling(stop=(NEEDLE,))),
        chat(sampling=Sampling(logit_bias={NEEDLE: 1.0})),
        chat(extra={"metadata": {"customer": [NEEDLE]}}),
        chat(Message(role="user", content=(MediaPart("file", {"file": {"filename": NEEDLE}}),))),
        CompletionRequest(model="m", prompts=("a", NEEDLE)),
        CompletionRequest(model="m", prompts=("a",), suffix=NEEDLE),
        CompletionRequest(model="m", prompts=("a",), sampling=Sampling(logit_bias={NEEDLE: 1.0})),
        CompletionRequest(model="m", prompts=("a",), extra={"user": NEEDLE}),
        EmbeddingRequest(model="m", inputs=("a", NEEDLE)),
        EmbeddingRequest(model="m", inputs=("a",), extra={"user": NEEDLE}),
    ],
)
def test_text_is_found_wherever_it_stands(
    request_: ChatRequest | CompletionRequest | EmbeddingRequest,
) -> None:
    assert NEEDLE in texts_of(request_).text


def test_numbers_without_quotes_are_read() -> None:
    request = chat(extra={"metadata": {"card": 4111111111111111, "on": True}})
    assert "4111111111111111" in texts_of(request).text.split("\n")
    assert "True" not in texts_of(request).text


@pytest.mark.parametrize("number", [4.111111111111111e15, -4111111111111111])
def test_numbers_are_read_however_they_are_written(number: float) -> None:
    request = chat(
        tools=(ToolSpec(name="pay", parameters={"properties": {"c": {"const": number}}}),)
    )
    policy = Policy(detectors=load_detectors().values())
    assert policy.classify(texts_of(request), {}).findings


def test_words_in_a_media_part_are_read_however_many_they_are() -> None:
    text = f"data:text/plain,Pay to {NEEDLE}, please. " + "Thank you. " * 1000
    part = MediaPart("file", {"file": {"file_data": text}})
    assert NEEDLE in texts_of(chat(Message(role="user", content=(part,)))).text


def test_the_kind_of_what_cannot_be_read_is_a_word() -> None:
    """It is put on record: nobody writes there what they please, or as much."""
    kinds = ("x" * 100_000, "a, iban 0", *(f"kind{number}" for number in range(2000)))
    parts = tuple(MediaPart(kind, {}) for kind in kinds)
    unread = texts_of(chat(Message(role="user", content=parts))).unread
    assert sum(map(len, unread)) < 100
    assert all(kind.replace("_", "").isalpha() for kind in unread)


def test_what_cannot_be_read_is_named_once_by_its_kind() -> None:
    image = MediaPart("image_url", {"image_url": {"url": "data:image/png;base64," + "A" * 10_000}})
    sound = MediaPart("input_audio", {"input_audio": {"data": "B" * 10_000, "format": "wav"}})
    texts = texts_of(chat(Message(role="user", content=(TextPart("see"), image, image, sound))))
    assert texts.unread == ("image_url", "input_audio")
    assert "see" in texts.text
    assert "AAAA" not in texts.text
    assert texts_of(EmbeddingRequest(model="m", inputs=((1, 2),))).unread == ("tokens",)
    assert texts_of(CompletionRequest(model="m", prompts=("a", (1, 2)))).unread == ("tokens",)


def test_deep_values_do_not_exhaust_the_stack() -> None:
    deep: list[object] = [NEEDLE]
    for _ in range(100_000):
        deep = [deep]
    assert NEEDLE in texts_of(chat(extra={"deep": deep})).text
