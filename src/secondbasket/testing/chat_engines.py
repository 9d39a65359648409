"""What every engine for chat must do besides: subclass `ChatEngineContract` where pytest collects.

It is what one upstream expects of all of them: llama.cpp's wire, its running
counts, and answers that can be stopped, repeated, continued and left.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest

from secondbasket.testing.engines import API_KEY, EngineContract, Running

_COUNTED = {"stream": True, "stream_options": {"include_usage": True}, "timings_per_token": True}
# A connection each: one that the engine is just closing would fail the call after.
_HEADERS = {
    "Authorization": f"Bearer {API_KEY}",
    "Content-Type": "application/json",
    "Connection": "close",
}
_FREED_WITHIN = 20


class Answered(msgspec.Struct, frozen=True):
    """A streamed answer: its fragments of text, and its events as they came."""

    texts: list[str]
    events: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def finish_reason(self) -> str | None:
        reasons = [c["finish_reason"] for e in self.events for c in e["choices"]]
        return next(filter(None, reasons), None)

    @property
    def usage(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(e["usage"] for e in reversed(self.events) if e.get("usage"))
        return found


async def post(
    engine: Running, path: str, body: Mapping[str, Any] | bytes
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a plain call."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    async with engine.session.post(
        f"http://127.0.0.1:{engine.port}{path}",
        data=data,
        headers=_HEADERS,
    ) as response:
        return response.status, await response.json(content_type=None)


@asynccontextmanager
async def events(
    engine: Running, path: str, body: Mapping[str, Any]
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The events of a streamed call, up to [DONE]; leaving the block hangs up."""
    async with engine.session.post(
        f"http://127.0.0.1:{engine.port}{path}",
        json={**_COUNTED, **body},
        headers=_HEADERS,
    ) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"

        async def read() -> AsyncIterator[dict[str, Any]]:
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue  # an empty line, or a comment that keeps the connection
                data = line.removeprefix(b"data: ").strip()
                if data == b"[DONE]":
                    return
                yield msgspec.json.decode(data)
            raise AssertionError("the stream ended without [DONE]")

        yield read()
        response.close()


async def stream(engine: Running, body: Mapping[str, Any]) -> Answered:
    """A whole streamed chat, or a completion where `body` has a prompt."""
    path = "/v1/completions" if "prompt" in body else "/v1/chat/completions"
    answered = Answered([], [])
    async with events(engine, path, body) as read:
        async for event in read:
            answered.events.append(event)
            for choice in event["choices"]:
                text = choice.get("text") or choice.get("delta", {}).get("content")
                if text:
                    answered.texts.append(text)
    return answered


def asked(words: str, **options: Any) -> dict[str, Any]:
    """A chat of one question, greedy unless `options` say otherwise."""
    return {"messages": [{"role": "user", "content": words}], "temperature": 0, **options}


_STORY = "Tell me a story about a dog."


@pytest.mark.anyio
class ChatEngineContract(EngineContract):
    """The case's model must be able to say more than a few words about anything."""

    async def test_it_streams_what_it_answers_plainly(self, engine: Running) -> None:
        body = asked(_STORY, max_tokens=24)
        _, plain = await post(engine, "/v1/chat/completions", body)
        streamed = await stream(engine, body)
        assert len(streamed.texts) > 12, "it does not come piece by piece"
        assert streamed.text == plain["choices"][0]["message"]["content"]
        assert streamed.finish_reason == plain["choices"][0]["finish_reason"] == "length"
        assert streamed.usage["completion_tokens"] == plain["usage"]["completion_tokens"] == 24
        assert streamed.events[-1]["choices"] == []

    async def test_text_completions_go_on_from_their_prompt(self, engine: Running) -> None:
        words = "The capital of France is"
        answered = await stream(engine, {"prompt": words, "max_tokens": 3, "temperature": 0})
        assert "Paris" in answered.text
        _, counted = await post(engine, "/tokenize", {"content": words})
        by_tokens = {"prompt": counted["tokens"], "max_tokens": 3, "temperature": 0}
        assert (await stream(engine, by_tokens)).text == answered.text
        assert answered.usage["prompt_tokens"] == len(counted["tokens"])

    async def test_it_counts_what_its_tokenizer_counts(self, engine: Running) -> None:
        """Prompt and answer to the token, in the running counts as in the final ones."""
        body = asked("Count: 1, 2, 3 – naïve 日本 🙂", max_tokens=20)
        answered = await stream(engine, body)
        _, rendered = await post(engine, "/apply-template", body)
        _, read = await post(
            engine,
            "/tokenize",
            {"content": rendered["prompt"], "add_special": True, "parse_special": True},
        )
        assert answered.usage["prompt_tokens"] == len(read["tokens"])
        running_counts = [e["timings"] for e in answered.events if "timings" in e]
        for counts in running_counts:
            assert counts["prompt_n"] + counts["cache_n"] == len(read["tokens"])
        written = [counts["predicted_n"] for counts in running_counts]
        assert written == sorted(written)
        assert len(set(written)) > written[-1] // 2, "it counts at the end only"
        assert written[-1] == answered.usage["completion_tokens"]
        _, said = await post(engine, "/tokenize", {"content": answered.text})
        ended = answered.finish_reason == "stop"  # the token that ends a turn shows no text
        assert answered.usage["completion_tokens"] >= len(said["tokens"]) + ended

    async def test_a_stop_text_ends_the_answer_and_no_part_of_it_is_told(
        self, engine: Running
    ) -> None:
        body = asked(_STORY, max_tokens=48)
        whole = (await stream(engine, body)).text
        # From the middle of one word to the middle of the one after the next.
        start = whole.index(" ", 20) + 2
        stop = whole[start : whole.index(" ", whole.index(" ", start) + 1) + 2]
        cut = await stream(engine, body | {"stop": ["never said", stop]})
        assert cut.text == whole[: whole.index(stop)]
        assert cut.finish_reason == "stop"
        assert cut.usage["completion_tokens"] < 48
        _, plain = await post(engine, "/v1/chat/completions", body | {"stop": stop})
        assert plain["choices"][0]["message"]["content"] == cut.text

    async def test_what_only_began_like_a_stop_text_is_told(self, engine: Running) -> None:
        body = asked(_STORY, max_tokens=24)
        whole = (await stream(engine, body)).text
        nearly = [whole[10:14] + "§", whole[20:30] + "§"]
        assert (await stream(engine, body | {"stop": nearly})).text == whole

    async def test_a_seed_repeats_an_answer(self, engine: Running) -> None:
        body = asked(_STORY, max_tokens=16, temperature=1.0)
        first = (await stream(engine, body | {"seed": 7})).text
        assert (await stream(engine, body | {"seed": 7})).text == first
        assert (await stream(engine, body | {"seed": 8})).text != first
        unseeded = {(await stream(engine, body)).text for _ in range(3)}
        assert len(unseeded) == 3, "without a seed it repeats itself"

    async def test_characters_are_never_cut(self, engine: Running) -> None:
        """Bytes outside its vocabulary are forced: every fragment must still be text."""
        words = "Repeat: 🦜🦜🦜🦜 日本語 🦜🦜🦜🦜"
        begun = [
            {"role": "user", "content": words},
            {"role": "assistant", "content": "🦜🦜🦜🦜 日本語 🦜🦜"},
        ]
        for seed in range(4):
            answered = await stream(
                engine,
                {"messages": begun, "max_tokens": 24, "temperature": 1.2, "seed": seed},
            )
            assert "\ufffd" not in answered.text

    async def test_a_begun_answer_is_gone_on_with(self, engine: Running) -> None:
        """The assistant's last message is what the model reads last, and is not told again."""
        question = asked("What is the capital of France?")["messages"]
        begun = "The capital of France"
        messages = [*question, {"role": "assistant", "content": begun}]
        _, open_turn = await post(engine, "/apply-template", {"messages": question})
        _, rendered = await post(engine, "/apply-template", {"messages": messages})
        assert rendered["prompt"] == open_turn["prompt"] + begun
        answered = await stream(engine, {"messages": messages, "max_tokens": 8, "temperature": 0})
        assert answered.text.startswith(" is")
        assert "Paris" in answered.text
        as_text = {"prompt": rendered["prompt"], "max_tokens": 8, "temperature": 0}
        assert (await stream(engine, as_text)).text == answered.text

    async def test_an_answer_follows_its_schema(self, engine: Running) -> None:
        schema = {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "size": {"enum": ["small", "large"]},
                "rivers": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
            },
            "required": ["city", "size", "rivers"],
            "additionalProperties": False,
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
        body = asked("Tell me of Paris.", max_tokens=120, response_format=wanted)
        answered = await stream(engine, body)
        told = msgspec.json.decode(answered.text)
        assert set(told) == {"city", "size", "rivers"}
        assert told["size"] in ("small", "large")

    async def test_a_schema_that_is_none_is_refused_and_harms_nobody(self, engine: Running) -> None:
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "banana"}}}
        body = asked("Hello", max_tokens=4, response_format=wanted)
        status, answer = await post(engine, "/v1/chat/completions", body)
        assert status == 400
        assert answer["error"]["message"]
        assert (await engine.ask("word"))[0] == 200

    async def test_logprobs_tell_of_the_tokens_shown(self, engine: Running) -> None:
        _, answer = await post(
            engine,
            "/v1/chat/completions",
            asked("What is the capital of France?", max_tokens=6, logprobs=True),
        )
        choice = answer["choices"][0]
        tokens = choice["logprobs"]["content"]
        assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
        assert all(token["logprob"] < 0 for token in tokens)
        assert (
            bytes(b for t in tokens for b in t["bytes"]).decode() == (choice["message"]["content"])
        )

    async def test_answers_are_written_side_by_side(self, engine: Running) -> None:
        """One begun later ends while the earlier one is still being written."""
        long = asked(_STORY, max_tokens=150, ignore_eos=True)
        async with events(engine, "/v1/chat/completions", long) as read:
            await anext(read)
            short = await stream(engine, asked("Hello", max_tokens=4))
            assert short.finish_reason
            rest = [event async for event in read]
        assert len(rest) > 100, "the long answer waited for the short one, or the other way"

    async def test_more_calls_than_slots_are_all_answered(self, engine: Running) -> None:
        answered: list[Answered] = []

        async def one() -> None:
            answered.append(await stream(engine, asked(_STORY, max_tokens=12)))

        async with anyio.create_task_group() as calls:
            for _ in range(engine.case.options.slots * 3):
                calls.start_soon(one)
        assert {each.usage["completion_tokens"] for each in answered} == {12}

    async def test_hanging_up_frees_the_slot(self, engine: Running) -> None:
        """Calls left in their middle, and calls left while they waited for a slot."""
        room = engine.case.options.context_tokens - 100
        long = asked(_STORY, max_tokens=room, ignore_eos=True)
        for _ in range(3):
            async with anyio.create_task_group() as calls:

                async def one() -> None:
                    async with events(engine, "/v1/chat/completions", long) as read:
                        async for _ in read:
                            pass

                for _ in range(engine.case.options.slots + 2):
                    calls.start_soon(one)
                await anyio.sleep(0.5)
                calls.cancel_scope.cancel()
        with anyio.fail_after(_FREED_WITHIN):
            for _ in range(engine.case.options.slots):
                assert (await engine.ask("word"))[0] == 200

    async def test_a_plain_call_that_is_left_frees_its_slot(self, engine: Running) -> None:
        room = engine.case.options.context_tokens - 100
        long = asked(_STORY, max_tokens=room, ignore_eos=True)
        for _ in range(engine.case.options.slots + 1):
            with anyio.move_on_after(0.3):
                await post(engine, "/v1/chat/completions", long)
        with anyio.fail_after(_FREED_WITHIN):
            assert (await engine.ask("word"))[0] == 200

    async def test_too_long_a_stream_is_refused_before_it_begins(self, engine: Running) -> None:
        words = "word " * (engine.case.options.context_tokens * 40)
        status, answer = await post(engine, "/v1/chat/completions", asked(words) | _COUNTED)
        assert status == 400
        _, rendered = await post(engine, "/apply-template", asked(words))
        _, read = await post(
            engine,
            "/tokenize",
            {"content": rendered["prompt"], "add_special": True, "parse_special": True},
        )
        assert answer["error"]["type"] == "exceed_context_size_error"
        assert answer["error"]["n_prompt_tokens"] == len(read["tokens"])
        assert len(read["tokens"]) > engine.case.options.context_tokens * 40
        assert answer["error"]["n_ctx"] == engine.case.options.context_tokens

    async def test_an_answer_ends_where_the_context_does(self, engine: Running) -> None:
        answered = await stream(engine, asked(_STORY, ignore_eos=True))
        assert answered.finish_reason == "length"
        counted = answered.usage["prompt_tokens"] + answered.usage["completion_tokens"]
        assert abs(counted - engine.case.options.context_tokens) <= 1

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"\xff\xfe",
            b'{"messages": "hello"}',
            b'{"messages": [{"content": "no role"}]}',
            b'{"messages": [{"role": "user", "content": 7}]}',
        ],
    )
    async def test_a_malformed_body_is_refused(self, engine: Running, body: bytes) -> None:
        status, answer = await post(engine, "/v1/chat/completions", body)
        assert 400 <= status <= 500
        assert answer["error"]["message"]
        assert (await engine.ask("word"))[0] == 200
