"""What every HTTP upstream must do, ours and others': subclass `UpstreamContract`.

Needs pytest with anyio's plug-in. A real HTTP server on loopback misbehaves in
each way that is known to happen; the upstream answers with chunks or with one
of our errors, never asks a second time by itself, and leaves no connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import anyio
import msgspec
import pytest

from secondbasket.core.chat import ChatRequest, Chunk, Fold, Message
from secondbasket.core.ports import Upstream, WireMeter
from secondbasket.core.usage import Usage
from secondbasket.egress import Session
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import (
    BasketError,
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.testing.scripted_upstream import (
    Exchange,
    Script,
    ScriptedUpstream,
    scripted_upstream,
)

API_KEY = "the-key-of-this-contract"
WORDS = ("One ", "two ", "three ", "four ", "five.")
USAGE = Usage(7, 5, 1)


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream is made with: see the factories of ``secondbasket.upstreams``."""

    session: Session
    base_url: str
    connect_seconds: float = 5


class UpstreamCase(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of upstream and its wire, spelled as the other end would.

    `create` makes the upstream, with the key API_KEY. `frames` are the events
    of a streamed answer of WORDS with USAGE, one per item, the last of them
    the wire's end mark, `finish` the position of the one that says why the
    answer ended; `tool_frames` those of an answer that calls a tool named
    'look' with the arguments {"place": "sea"}. `ping` is an event without
    content. `plain` is the body of the same answer in one piece.
    `failure(status, message)` is an error's body; `failing` an event that
    tells of an overload inside a stream, and `overflow` the body (HTTP 400)
    that tells of too long a prompt, None where the wire has none.
    """

    create: Callable[[Create], Upstream]
    frames: Sequence[bytes]
    finish: int
    tool_frames: Sequence[bytes]
    ping: bytes
    plain: bytes
    failure: Callable[[int, str], bytes]
    failing: bytes
    overflow: bytes | None


QUESTION = ChatRequest(
    model="basket", messages=(Message(role="user", content="Count."),), stream=True
)


class Called(msgspec.Struct):
    """What came of one call."""

    chunks: list[Chunk] = []
    error: BasketError | None = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return "".join(choice.text for chunk in self.chunks for choice in chunk.choices)


@asynccontextmanager
async def _upstream(
    case: UpstreamCase, script: Script
) -> AsyncIterator[tuple[Upstream, ScriptedUpstream]]:
    async with scripted_upstream(script) as server, loopback_session() as session:
        given = Create(session=session, base_url=server.base_url)
        yield case.create(given), server
        await server.left()


async def _ask(case: UpstreamCase, script: Script, request: ChatRequest = QUESTION) -> Called:
    async with _upstream(case, script) as (upstream, server):
        called = Called()
        began = time.monotonic()
        try:
            async for chunk in upstream.chat(request, WireMeter()):
                called.chunks.append(chunk)
        except BasketError as error:
            called.error = error
        called.seconds = time.monotonic() - began
        assert len(server.exchanges) == 1, "it asked again by itself"
    assert API_KEY not in str(called.error)
    return called


def _stream(frames: Sequence[bytes], *, whole: bool = True) -> Script:
    """`frames` as a stream, which ends as HTTP ends one where it is `whole`."""

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for frame in frames:
            await exchange.chunk(frame)
        if whole:
            await exchange.end_stream()

    return script


async def _silent(_: Exchange) -> None:
    await asyncio.sleep(30)


def _broken(called: Called, kind: type[BasketError] = UpstreamBroken) -> None:
    assert isinstance(called.error, kind), called.error
    assert called.error.retryable
    assert "".join(WORDS).startswith(called.text), "what came before was handed on, and only that"


@pytest.mark.anyio
class UpstreamContract:
    """Override the fixture `case`."""

    @pytest.fixture
    def case(self) -> UpstreamCase:
        raise NotImplementedError

    async def test_a_stream_is_its_words_its_end_and_its_counts(self, case: UpstreamCase) -> None:
        called = await _ask(case, _stream(case.frames))
        assert called.error is None
        fold = Fold()
        for chunk in called.chunks:
            fold.add(chunk)
        (choice,) = fold.choices()
        assert choice.text == "".join(WORDS)
        assert choice.finish_reason == "stop"
        assert [chunk.usage for chunk in called.chunks if chunk.usage][-1] == USAGE

    async def test_an_answer_in_one_piece_is_the_same(self, case: UpstreamCase) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.plain(case.plain)

        called = await _ask(case, script)
        assert called.error is None
        assert called.text == "".join(WORDS)
        assert called.chunks[-1].usage == USAGE

    @pytest.mark.parametrize("size", [1, 7, 4096])
    async def test_the_network_may_cut_it_anywhere(self, case: UpstreamCase, size: int) -> None:
        stream = b"".join(case.frames)

        async def script(exchange: Exchange) -> None:
            await exchange.begin_stream()
            for start in range(0, len(stream), size):
                await exchange.chunk(stream[start : start + size])
            await exchange.end_stream()

        called = await _ask(case, script)
        assert (called.error, called.text) == (None, "".join(WORDS))

    async def test_a_tool_call_comes_in_fragments(self, case: UpstreamCase) -> None:
        called = await _ask(case, _stream(case.tool_frames))
        fold = Fold()
        for chunk in called.chunks:
            fold.add(chunk)
        (choice,) = fold.choices()
        (call,) = choice.tool_calls
        assert (call.name, msgspec.json.decode(call.arguments)) == ("look", {"place": "sea"})
        assert call.id
        assert choice.finish_reason == "tool_calls"

    async def test_its_key_goes_to_the_provider_and_nowhere_else(self, case: UpstreamCase) -> None:
        async with _upstream(case, _stream(case.frames)) as (upstream, server):
            meter = WireMeter()
            async for _ in upstream.chat(QUESTION, meter):
                pass
            (exchange,) = server.exchanges
        assert any(API_KEY in value for value in exchange.headers.values())
        assert API_KEY not in exchange.path
        assert API_KEY.encode() not in exchange.body
        assert meter.sent == len(exchange.body)
        assert meter.received == len(b"".join(case.frames))

    async def test_a_stream_that_ends_early_is_broken(self, case: UpstreamCase) -> None:
        for length in range(case.finish + 1):
            _broken(await _ask(case, _stream(case.frames[:length])))

    async def test_a_stream_without_its_end_mark_is_whole_once_it_finished(
        self, case: UpstreamCase
    ) -> None:
        called = await _ask(case, _stream(case.frames[:-1]))
        assert (called.error, called.text) == (None, "".join(WORDS))

    async def test_a_stream_cut_off_is_broken_also_after_its_finish(
        self, case: UpstreamCase
    ) -> None:
        for length in (0, 2, case.finish, case.finish + 1):
            _broken(await _ask(case, _stream(case.frames[:length], whole=False)))

    async def test_a_reset_is_an_error_to_retry(self, case: UpstreamCase) -> None:
        async def reset_at_once(exchange: Exchange) -> None:
            exchange.reset()

        async def reset_later(exchange: Exchange) -> None:
            await _stream(case.frames[:3], whole=False)(exchange)
            exchange.reset()

        _broken(await _ask(case, reset_at_once), UpstreamError)
        _broken(await _ask(case, reset_later), UpstreamError)

    async def test_a_refused_connection_is_told_at_once(self, case: UpstreamCase) -> None:
        async with scripted_upstream(_stream(())) as server:
            nobody = server.base_url
        async with loopback_session() as session:
            upstream = case.create(Create(session=session, base_url=nobody))
            began = time.monotonic()
            with pytest.raises(UpstreamUnavailable):
                async for _ in upstream.chat(QUESTION, WireMeter()):
                    pass
            assert time.monotonic() - began < 1

    async def test_keeping_alive_is_no_content(self, case: UpstreamCase) -> None:
        """Neither comments nor pings nor single bytes: who waits for content goes on waiting."""

        async def alive(exchange: Exchange) -> None:
            await exchange.begin_stream()
            for _ in range(20):
                await exchange.chunk(b": still here\n\n" + case.ping)
                await asyncio.sleep(0.01)
            await exchange.chunk(case.frames[2][:-1])
            await asyncio.sleep(30)

        async with _upstream(case, alive) as (upstream, _):
            with anyio.move_on_after(0.5) as waiting:
                async for chunk in upstream.chat(QUESTION, WireMeter()):
                    assert not any(choice.has_content for choice in chunk.choices)
        assert waiting.cancelled_caught

    async def test_a_dripping_error_body_is_not_waited_for(self, case: UpstreamCase) -> None:
        async def dripping(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 1000\r\n\r\n")
            while True:
                await exchange.send(b"x")
                await asyncio.sleep(0.02)

        called = await _ask(case, dripping)
        assert isinstance(called.error, UpstreamLimited)
        assert called.error.retry_after == 7
        assert called.seconds < 2

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (302, UpstreamUnavailable),
            (400, UpstreamRejected),
            (401, UpstreamUnavailable),
            (403, UpstreamUnavailable),
            (404, UpstreamUnavailable),
            (408, UpstreamTimeout),
            (413, UpstreamRejected),
            (422, UpstreamRejected),
            (429, UpstreamLimited),
            (500, UpstreamError),
            (503, UpstreamLimited),
            (529, UpstreamLimited),
        ],
    )
    async def test_a_status_is_final_where_the_request_is_at_fault_and_tells_no_secret(
        self, case: UpstreamCase, status: int, kind: type[UpstreamError]
    ) -> None:
        for body in (case.failure(status, f"Wrong key {API_KEY}"), b"<html>Bad</html>", b""):

            async def script(exchange: Exchange, body: bytes = body) -> None:
                await exchange.plain(body, status=status)

            called = await _ask(case, script)
            assert isinstance(called.error, kind), called.error
            assert called.error.retryable is (kind is not UpstreamRejected)
            assert not called.chunks

    @pytest.mark.parametrize("status", [429, 503, 529])
    async def test_how_long_to_wait_is_kept(self, case: UpstreamCase, status: int) -> None:
        for headers, seconds in (("Retry-After: 7\r\n", 7.0), ("", None)):

            async def script(exchange: Exchange, headers: str = headers) -> None:
                await exchange.plain(case.failure(status, "later"), status=status, headers=headers)

            called = await _ask(case, script)
            assert isinstance(called.error, UpstreamLimited)
            assert called.error.retry_after == seconds

    async def test_too_long_a_prompt_is_told_as_that(self, case: UpstreamCase) -> None:
        if case.overflow is None:
            pytest.skip("this wire has no way to say it")

        async def script(exchange: Exchange) -> None:
            await exchange.plain(case.overflow, status=400)

        assert isinstance((await _ask(case, script)).error, ContextLengthExceeded)

    async def test_a_success_that_carries_an_error_is_one(self, case: UpstreamCase) -> None:
        async def plain(exchange: Exchange) -> None:
            await exchange.plain(case.failure(500, "no"))

        _broken(await _ask(case, plain), UpstreamError)
        for length in (0, case.finish):
            frames = [*case.frames[:length], case.failing]
            _broken(await _ask(case, _stream(frames)), UpstreamError)

    @pytest.mark.parametrize(
        "frame",
        [
            b"data: {\n\n",
            b"data: []\n\n",
            b'data: {"type": 7, "choices": {"index": []}}\n\n',
            b"data: \xff\xfe\n\n",
            b"data: " + b"[" * 100_000 + b"\n\n",
        ],
    )
    async def test_what_is_not_of_the_wire_is_broken(
        self, case: UpstreamCase, frame: bytes
    ) -> None:
        _broken(await _ask(case, _stream([*case.frames[:3], frame, *case.frames[3:]])))

    async def test_another_content_type_is_broken(self, case: UpstreamCase) -> None:
        async def page(exchange: Exchange) -> None:
            await exchange.begin_stream("text/html")
            await exchange.chunk(b"<html>Sign in</html>")
            await exchange.end_stream()

        async def rubbish(exchange: Exchange) -> None:
            await exchange.plain(b'["a", 1]')

        _broken(await _ask(case, page))
        _broken(await _ask(case, rubbish))

    async def test_broken_http_is_broken(self, case: UpstreamCase) -> None:
        async def bad_chunk(exchange: Exchange) -> None:
            await _stream(case.frames[:3], whole=False)(exchange)
            await exchange.send(b"zz\r\nrubbish\r\n")

        async def short(exchange: Exchange) -> None:
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            await exchange.send(head % len(case.plain) + case.plain[:-9])

        _broken(await _ask(case, bad_chunk), UpstreamError)
        _broken(await _ask(case, short), UpstreamError)

    async def test_it_does_not_go_on_after_its_finish(self, case: UpstreamCase) -> None:
        again = case.frames[: case.finish + 1]
        _broken(await _ask(case, _stream([*again, *case.frames])))

    async def test_leaving_hangs_up(self, case: UpstreamCase) -> None:
        async def endless(exchange: Exchange) -> None:
            await _stream(case.frames[: case.finish], whole=False)(exchange)
            await asyncio.sleep(30)

        async with _upstream(case, endless) as (upstream, server):
            async with aclosing(upstream.chat(QUESTION, WireMeter())) as answer:
                async for chunk in answer:
                    if any(choice.text for choice in chunk.choices):
                        break
            with anyio.fail_after(2):
                await server.exchanges[0].closed_by_client.wait()

    async def test_cancelling_hangs_up(self, case: UpstreamCase) -> None:
        async with _upstream(case, _silent) as (upstream, server):
            with anyio.move_on_after(0.2):
                async for _ in upstream.chat(QUESTION, WireMeter()):
                    pass
            with anyio.fail_after(2):
                await server.exchanges[0].closed_by_client.wait()

    async def test_an_answer_without_limit_is_not_held(self, case: UpstreamCase) -> None:
        async def flood(exchange: Exchange) -> None:
            await exchange.begin_stream()
            while True:
                await exchange.chunk(b"data: " + b"x" * (1 << 20))

        _broken(await _ask(case, flood))
