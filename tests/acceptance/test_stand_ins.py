"""Two vendors that are none: reached as providers are, answered by this machine's own models."""

from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.running import Running, running


def ask(server: Running, *, stream: bool) -> tuple[str, str]:
    """The answer's text, and its request id."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        create = client.chat.completions.create
        messages: list[ChatCompletionUserMessageParam] = [
            {"role": "user", "content": "Name the capital of France."}
        ]
        if not stream:
            answer = create(model="stand-ins", temperature=0, max_tokens=20, messages=messages)
            return answer.choices[0].message.content or "", answer.id
        chunks = list(
            create(model="stand-ins", temperature=0, max_tokens=20, messages=messages, stream=True)
        )
        parts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
        return "".join(parts), chunks[0].id


def test_a_stand_in_answers_through_the_outbound_door(stocked_home: Path) -> None:
    with running(stocked_home, options=["--stand-ins"]) as server:
        for stream in (True, False):
            text, identity = ask(server, stream=stream)
            assert "Paris" in text
            receipt = server.basket("receipt", identity)
            assert (receipt["upstream"], receipt["law"]) == ("stand-in-us", "US")
            assert receipt["cost"] > 0
        # The stand-in itself keeps no account: each call is in the ledger once.
        assert len(server.basket("usage", "--rows", "10")) == 2
        # A reload keeps them, although no file names them.
        assert server.basket("reload") == {"changed": [], "waiting": []}


def test_stand_ins_are_not_there_without_the_option(server: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(server, stream=False)
