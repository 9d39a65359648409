"""Every route's answers against the published schemas, plain and streamed, by a real engine."""

import base64
import json
import re
import struct
from typing import Any

import httpx2
import pytest

from tests.contracts.openai.published import check, events

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
ASK = {"role": "user", "content": "Name a colour."}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "enum": ["red", "green"]}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "bare": {},
    "several": {"n": 2, "temperature": 1.0, "seed": 3},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "json_schema": {"response_format": SCHEMA, "max_tokens": 40},
    "required tool": {"tools": [TOOL], "tool_choice": "required", "max_tokens": 40},
    "named tool": {
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "max_tokens": 40,
    },
    "stopped": {"stop": ["\n", "."]},
    "cut": {"max_tokens": 1},
}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": CHAT, "messages": [ASK], "max_tokens": 8, "temperature": 0} | more


def post(http: httpx2.Client, path: str, body: Any) -> httpx2.Response:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("variant", VARIANTS)
def test_chat_plain(http: httpx2.Client, variant: str) -> None:
    answer = post(http, "chat/completions", chat(**VARIANTS[variant])).json()
    check("chat_completion", answer)
    assert answer["usage"]["prompt_tokens"] > 0
    assert answer["usage"]["completion_tokens"] > 0
    assert len(answer["choices"]) == VARIANTS[variant].get("n", 1)


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_chat_streamed(http: httpx2.Client, variant: str, include_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    answer = post(http, "chat/completions", chat(stream=True, **VARIANTS[variant], **options))
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunks = events(answer.text)
    for chunk in chunks:
        check("chat_completion_chunk", chunk)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    finished = [
        choice["index"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["finish_reason"] is not None
    ]
    assert sorted(finished) == list(range(VARIANTS[variant].get("n", 1)))
    if include_usage:
        *before, last = chunks
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] > 0
        assert all("usage" in chunk and chunk["usage"] is None for chunk in before)
    else:
        assert all("usage" not in chunk for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("variant", ["required tool", "named tool"])
def test_a_forced_tool_call_obeys_its_schema(
    http: httpx2.Client, variant: str, stream: bool
) -> None:
    answer = post(http, "chat/completions", chat(stream=stream, **VARIANTS[variant]))
    if stream:
        deltas = [
            call
            for chunk in events(answer.text)
            for choice in chunk["choices"]
            for call in choice["delta"].get("tool_calls", [])
        ]
        assert deltas[0]["id"]
        assert deltas[0]["function"]["name"] == "get_weather"
        arguments = "".join(call["function"].get("arguments", "") for call in deltas)
        reason = events(answer.text)[-1]["choices"][0]["finish_reason"]
    else:
        (choice,) = answer.json()["choices"]
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] == "get_weather"
        arguments, reason = call["function"]["arguments"], choice["finish_reason"]
    assert reason == "tool_calls"
    assert isinstance(json.loads(arguments)["city"], str)


def test_a_json_schema_is_obeyed(http: httpx2.Client) -> None:
    answer = post(http, "chat/completions", chat(response_format=SCHEMA, max_tokens=40)).json()
    assert json.loads(answer["choices"][0]["message"]["content"])["name"] in ("red", "green")


def test_logprobs_are_those_of_the_tokens_sent(http: httpx2.Client) -> None:
    answer = post(http, "chat/completions", chat(logprobs=True, top_logprobs=2)).json()
    (choice,) = answer["choices"]
    content = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in content).startswith(choice["message"]["content"])
    assert all(len(token["top_logprobs"]) == 2 for token in content)


def test_a_stream_adds_up_to_the_plain_answer(http: httpx2.Client) -> None:
    plain = post(http, "chat/completions", chat(seed=1)).json()
    options = {"include_usage": True}
    streamed = events(
        post(http, "chat/completions", chat(seed=1, stream=True, stream_options=options)).text
    )
    text = "".join(
        choice["delta"].get("content") or "" for chunk in streamed for choice in chunk["choices"]
    )
    assert text == plain["choices"][0]["message"]["content"]
    counted = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [streamed[-1]["usage"][name] for name in counted] == [
        plain["usage"][name] for name in counted
    ]


COMPLETIONS: dict[str, dict[str, Any]] = {
    "bare": {"prompt": "The sky is"},
    "two prompts": {"prompt": ["The sky is", "Grass is"]},
    "several": {"prompt": "The sky is", "n": 2, "temperature": 1.0},
    "logprobs": {"prompt": "The sky is", "logprobs": 1},
    "tokens": {"prompt": [504, 6376, 314]},
}


@pytest.mark.parametrize("variant", COMPLETIONS)
@pytest.mark.parametrize("stream", [False, True])
def test_completions(http: httpx2.Client, variant: str, stream: bool) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    asked = COMPLETIONS[variant]
    body = {"model": CHAT, "max_tokens": 8, "temperature": 0} | asked | options
    answer = post(http, "completions", body)
    prompts = 2 if variant == "two prompts" else 1
    indexes = list(range(prompts * asked.get("n", 1)))
    if stream:
        chunks = events(answer.text)
        for chunk in chunks:
            check("completion_chunk", chunk)
        seen = sorted({choice["index"] for chunk in chunks for choice in chunk["choices"]})
        assert chunks[-1]["usage"]["completion_tokens"] > 0
    else:
        check("completion", answer.json())
        seen = [choice["index"] for choice in answer.json()["choices"]]
    assert seen == indexes


def test_embeddings_in_both_formats(http: httpx2.Client) -> None:
    body = {"model": EMBEDDING, "input": ["A cat.", "Tax law."]}
    floats = post(http, "embeddings", body).json()
    packed = post(http, "embeddings", body | {"encoding_format": "base64"}).json()
    check("embeddings", floats)
    check("embeddings", packed)
    for plain, coded in zip(floats["data"], packed["data"], strict=True):
        raw = base64.b64decode(coded["embedding"])
        assert plain["embedding"] == pytest.approx(list(struct.unpack(f"<{len(raw) // 4}f", raw)))


def test_models(http: httpx2.Client) -> None:
    listed = http.get("models").json()
    check("models", listed)
    assert {model["id"] for model in listed["data"]} >= {CHAT, EMBEDDING}
    for model in listed["data"]:
        one = http.get(f"models/{model['id']}").json()
        check("model", one)
        assert one == model


BAD: list[tuple[str, str, Any, int, str | None]] = [
    ("chat/completions", "not json", b"{", 400, None),
    ("chat/completions", "not an object", b"[]", 400, None),
    ("chat/completions", "no messages", {"model": CHAT}, 400, "messages"),
    ("chat/completions", "empty messages", {"model": CHAT, "messages": []}, 400, "messages"),
    ("chat/completions", "unknown model", chat(model="gpt-9"), 404, "model"),
    ("chat/completions", "embedding model", chat(model=EMBEDDING), 400, "model"),
    ("chat/completions", "temperature", chat(temperature=3), 400, "temperature"),
    ("chat/completions", "wrong type", chat(max_tokens="many"), 400, "max_tokens"),
    ("chat/completions", "steering", chat(id_slot=1), 400, "id_slot"),
    ("chat/completions", "route", chat(api_base="http://evil.example"), 400, "api_base"),
    ("chat/completions", "lora", chat(lora=[{"id": 0, "scale": 1}]), 400, "lora"),
    ("chat/completions", "cache", chat(cache_prompt=False), 400, "cache_prompt"),
    (
        "chat/completions",
        "image",
        chat(
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png,"}}],
                }
            ]
        ),
        400,
        "messages",
    ),
    (
        "chat/completions",
        "too long",
        chat(messages=[{"role": "user", "content": "word " * 60_000}]),
        400,
        "messages",
    ),
    ("completions", "no prompt", {"model": CHAT}, 400, "prompt"),
    ("embeddings", "no input", {"model": EMBEDDING}, 400, "input"),
    ("embeddings", "chat model", {"model": CHAT, "input": "x"}, 400, "model"),
]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [(path, body, status, param) for path, _, body, status, param in BAD],
    ids=[f"{path}: {name}" for path, name, *_ in BAD],
)
def test_errors_have_the_wires_form(
    http: httpx2.Client, path: str, body: Any, status: int, param: str | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    check("error", answer.json())
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param


def test_an_overflow_tells_the_counts(http: httpx2.Client) -> None:
    body = chat(messages=[{"role": "user", "content": "word " * 60_000}])
    error = http.post("chat/completions", json=body).json()["error"]
    assert error["code"] == "context_length_exceeded"
    asked, held = (int(digits) for digits in re.findall(r"\d+", error["message"]))
    assert asked > 60_000 > held


def test_an_error_before_a_stream_begins_has_its_own_status(http: httpx2.Client) -> None:
    body = chat(stream=True, messages=[{"role": "user", "content": "word " * 60_000}])
    answer = http.post("chat/completions", json=body)
    assert answer.status_code == 400
    check("error", answer.json())


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "models"])
def test_a_missing_key_has_the_wires_form(http: httpx2.Client, path: str) -> None:
    method = "GET" if path == "models" else "POST"
    answer = http.request(method, path, headers={"Authorization": ""})
    assert answer.status_code == 401
    check("error", answer.json())
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(("method", "path"), [("GET", "chat/completions"), ("POST", "nowhere")])
def test_what_is_not_served_has_the_wires_form(http: httpx2.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    assert answer.status_code in (404, 405)
    check("error", answer.json())
