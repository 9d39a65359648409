"""The running product on the Messages wire: answers, streams, tools, keys and errors."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.contracts.anthropic.published import check, events
from tests.running import Running

CHAT = "smollm2-135m-instruct"
ASK: dict[str, Any] = {
    "model": CHAT,
    "max_tokens": 10,
    "temperature": 0,
    "messages": [{"role": "user", "content": "What is 2+2?"}],
}
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def http(server: Running) -> Iterator[httpx2.Client]:
    """As an SDK asks: with the key in `x-api-key`."""
    headers = {"x-api-key": server.key, "anthropic-version": "2023-06-01"}
    with httpx2.Client(
        base_url=f"{server.url}/v1/", headers=headers, timeout=120, trust_env=False
    ) as client:
        yield client


def text_of(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def test_a_plain_answer_with_its_receipt(server: Running, http: httpx2.Client) -> None:
    answer = http.post("messages", json=ASK)
    assert answer.status_code == 200
    message = answer.json()
    check("message", message)
    assert "4" in text_of(message)
    assert message["model"] == CHAT
    usage = message["usage"]
    receipt = server.basket("receipt", message["id"])
    assert receipt["input_tokens"] == usage["input_tokens"] + usage["cache_read_input_tokens"]
    assert receipt["output_tokens"] == usage["output_tokens"] > 0
    assert answer.headers["x-basket-request-id"] == message["id"]


def test_a_stream_says_the_same(http: httpx2.Client) -> None:
    plain = http.post("messages", json=ASK).json()
    answer = http.post("messages", json=ASK | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.content)
    assert found[0]["type"] == "message_start"
    assert found[-1] == {"type": "message_stop"}
    said = [e["delta"]["text"] for e in found if e["type"] == "content_block_delta"]
    assert "".join(said) == text_of(plain)
    (end,) = [event for event in found if event["type"] == "message_delta"]
    assert end["delta"]["stop_reason"] == plain["stop_reason"]
    assert end["usage"]["output_tokens"] == plain["usage"]["output_tokens"]


def test_a_system_prompt_and_a_stop_sequence(http: httpx2.Client) -> None:
    asked = ASK | {
        "system": "You count.",
        "messages": [{"role": "user", "content": "Count: one, two, three, four, five, six."}],
        "stop_sequences": ["three"],
        "max_tokens": 40,
    }
    message = http.post("messages", json=asked).json()
    check("message", message)
    assert "three" not in text_of(message)


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_and_its_result_read(http: httpx2.Client, stream: bool) -> None:
    asked = ASK | {
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "max_tokens": 60,
        "stream": stream,
    }
    answer = http.post("messages", json=asked)
    if stream:
        found = events(answer.content)
        (begun,) = [e["content_block"] for e in found if e["type"] == "content_block_start"]
        given = [e["delta"]["partial_json"] for e in found if e["type"] == "content_block_delta"]
        called = begun | {"input": json.loads("".join(given))}
    else:
        message = answer.json()
        check("message", message)
        assert message["stop_reason"] == "tool_use"
        (called,) = message["content"]
    assert called["name"] == "get_weather"
    assert isinstance(called["input"]["city"], str)
    result = {"type": "tool_result", "tool_use_id": called["id"], "content": "Sunny, 24 degrees."}
    asked["messages"] += [
        {"role": "assistant", "content": [called]},
        {"role": "user", "content": [result]},
    ]
    del asked["tool_choice"]
    message = http.post("messages", json=asked | {"stream": False}).json()
    check("message", message)


def test_an_answer_of_a_schema(http: httpx2.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    asked = ASK | {
        "messages": [{"role": "user", "content": "The capital of France, as JSON."}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
        "max_tokens": 40,
    }
    message = http.post("messages", json=asked).json()
    assert set(json.loads(text_of(message))) == {"city"}


# A key has the same rights in whichever header it comes (threats 9).


def test_a_key_comes_in_either_header(server: Running) -> None:
    given: list[tuple[dict[str, str], int]] = [
        ({"x-api-key": server.key}, 200),
        ({"Authorization": f"Bearer {server.key}"}, 200),
        ({"Authorization": f"Bearer {server.key}", "x-api-key": server.key}, 200),
        ({"Authorization": f"Bearer {server.key}", "x-api-key": "sb-wrong"}, 401),
        ({"Authorization": "Bearer sb-wrong", "x-api-key": server.key}, 401),
        ({"Authorization": server.key}, 401),
        ({"x-api-key": ""}, 401),
        ({}, 401),
    ]
    for headers, status in given:
        answer = httpx2.post(
            f"{server.url}/v1/messages", json=ASK, headers=headers, timeout=120, trust_env=False
        )
        assert answer.status_code == status, headers
        if status == 401:
            check("error", answer.json())
            assert answer.json()["error"]["type"] == "authentication_error"


def test_a_key_is_as_limited_here_as_elsewhere(server: Running) -> None:
    poor = server.basket("key", "create", "--name", "poor-messages", "--budget", "0")
    dead = server.basket("key", "create", "--name", "dead-messages")
    server.basket("key", "revoke", dead["id"])
    for header in ("x-api-key", "Authorization"):
        for key, status in ((poor["key"], 429), (dead["key"], 401)):
            value = key if header == "x-api-key" else f"Bearer {key}"
            answer = httpx2.post(
                f"{server.url}/v1/messages",
                json=ASK,
                headers={header: value},
                timeout=120,
                trust_env=False,
            )
            assert answer.status_code == status, (header, answer.text)
            check("error", answer.json())


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"model": "nobody"}, 404, "not_found_error"),
        ({"max_tokens": 0}, 400, "invalid_request_error"),
        ({"inference_geo": "us"}, 400, "invalid_request_error"),
        ({"lora": []}, 400, "invalid_request_error"),
        (
            {"messages": [{"role": "user", "content": "word " * 20_000}]},
            400,
            "invalid_request_error",
        ),
    ],
)
def test_errors_are_of_the_wire(
    http: httpx2.Client, fields: dict[str, Any], status: int, kind: str
) -> None:
    for stream in (False, True):
        answer = http.post("messages", json=ASK | fields | {"stream": stream})
        assert answer.status_code == status, answer.text
        check("error", answer.json())
        assert answer.json()["error"]["type"] == kind


def test_a_class_of_data_is_said_here_as_elsewhere(server: Running, http: httpx2.Client) -> None:
    answer = http.post("messages", json=ASK, headers={"x-basket-data-class": "confidential"})
    receipt = server.basket("receipt", answer.json()["id"])
    assert receipt["data_class"] == "confidential"
    refused = http.post("messages", json=ASK, headers={"x-basket-data-class": "sekret"})
    assert refused.status_code == 400
    check("error", refused.json())


def test_other_methods_are_refused(http: httpx2.Client) -> None:
    answer = http.get("messages")
    assert answer.status_code == 405
    check("error", answer.json())
