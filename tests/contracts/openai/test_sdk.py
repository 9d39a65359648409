"""The official SDK, unchanged: answers, streams, tools, parsing, every error as its own class."""

import asyncio
import json

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from tests.running import Running

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 2+2?"}]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def client_of(server: Running, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def test_a_plain_answer(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=CHAT, messages=ASK, max_tokens=10, temperature=0)
    assert "4" in (answer.choices[0].message.content or "")
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_with_usage(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model=CHAT,
        messages=ASK,
        max_tokens=10,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "4" in text
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens > 0


def test_the_stream_helper_gathers_a_tool_call(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(
        model=CHAT, messages=ASK, tools=[TOOL], tool_choice="required", max_tokens=60, temperature=0
    ) as stream:
        answer = stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "get_weather"
    assert "city" in json.loads(calls[0].function.arguments)


def test_a_parsed_answer(sdk: openai.OpenAI) -> None:
    class Sum(pydantic.BaseModel):
        result: int

    answer = sdk.chat.completions.parse(
        model=CHAT, messages=ASK, response_format=Sum, max_tokens=60, temperature=0
    )
    assert isinstance(answer.choices[0].message.parsed, Sum)


def test_completions_embeddings_and_models(sdk: openai.OpenAI) -> None:
    completion = sdk.completions.create(model=CHAT, prompt="The sky is", max_tokens=4)
    assert completion.choices[0].finish_reason == "length"
    embeddings = sdk.embeddings.create(model=EMBEDDING, input=["A cat.", "A dog."])
    assert len(embeddings.data) == 2
    assert len(embeddings.data[0].embedding) == 384
    assert CHAT in {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve(CHAT).id == CHAT


def test_the_receipt_is_on_the_answer(sdk: openai.OpenAI, server: Running) -> None:
    raw = sdk.chat.completions.with_raw_response.create(model=CHAT, messages=ASK, max_tokens=4)
    answer = raw.parse()
    receipt = server.basket("receipt", raw.headers["x-basket-request-id"])
    assert answer.usage
    assert receipt["input_tokens"] == answer.usage.prompt_tokens
    assert receipt["output_tokens"] == answer.usage.completion_tokens
    assert raw.headers["x-basket-digest"] == receipt["digest"]
    assert raw.headers["x-basket-upstream"] == receipt["upstream"]
    assert raw.headers["x-basket-data-class"] == receipt["data_class"]
    assert raw.headers["x-basket-hops"] == "1"
    assert answer.id == receipt["request_id"]


def test_the_asynchronous_client(server: Running) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key=server.key, max_retries=0
        ) as client:

            async def one() -> str:
                stream = await client.chat.completions.create(
                    model=CHAT, messages=ASK, max_tokens=10, temperature=0, stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one() for _ in range(4)))

    assert all("4" in text for text in asyncio.run(ask()))


def test_a_wrong_key(server: Running) -> None:
    with (
        client_of(server, "sk-wrong") as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.models.list()
    assert raised.value.code == "invalid_api_key"
    assert raised.value.type == "invalid_request_error"


def test_a_revoked_key(server: Running) -> None:
    made = server.basket("key", "create", "--name", "to be revoked")
    with client_of(server, made["key"]) as client:
        client.models.list()
        server.basket("key", "revoke", made["id"])
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_a_spent_budget(server: Running) -> None:
    made = server.basket("key", "create", "--name", "poor", "--budget", "0.000001")
    with client_of(server, made["key"]) as client, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model=CHAT, messages=ASK)
    assert raised.value.code == "insufficient_quota"


def test_an_unknown_model(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        sdk.chat.completions.create(model="gpt-9", messages=ASK)
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"
    assert CHAT in raised.value.message


def test_too_long_a_prompt(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.chat.completions.create(
            model=CHAT, messages=[{"role": "user", "content": "word " * 60_000}]
        )
    assert raised.value.code == "context_length_exceeded"


def test_a_value_out_of_range(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.chat.completions.create(model=CHAT, messages=ASK, temperature=9)
    assert raised.value.param == "temperature"


def test_a_field_that_steers(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.chat.completions.create(model=CHAT, messages=ASK, extra_body={"id_slot": 0})
    assert raised.value.code == "unsupported_field"
    assert raised.value.param == "id_slot"


def test_a_large_body(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        sdk.chat.completions.create(
            model=CHAT, messages=[{"role": "user", "content": "x" * 10_000_000}]
        )
    assert raised.value.status_code == 413
