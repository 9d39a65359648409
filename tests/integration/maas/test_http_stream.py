"""The road to a provider, where what must be shown is not of any wire."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from secondbasket.core.ports import WireMeter
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import BasketError, EgressRefused, UpstreamTimeout, UpstreamUnavailable
from secondbasket.maas.upstreams.http_stream import HttpStream
from secondbasket.wires.anthropic.answer import MessagesAnswer
from secondbasket.wires.openai.answer_stream import OpenAIAnswer
from secondbasket.wires.openai.chat_answer import decode_chat_chunk
from secondbasket.wires.openai.errors import decode_error
from tests.scripted_upstream import Exchange, scripted_upstream

pytestmark = pytest.mark.anyio


@contextmanager
def a_place_that_takes_no_connection() -> Iterator[int]:
    """A port on loopback whose queue is full: whoever knocks is neither let in nor refused."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            knocking = held.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_connection_that_is_not_taken_ends_with_its_own_time_out() -> None:
    with a_place_that_takes_no_connection() as port:
        async with loopback_session() as session:
            http = HttpStream(
                session,
                base_url=f"http://127.0.0.1:{port}",
                headers={},
                secret=None,
                decode_error=decode_error,
                connect_seconds=0.3,
            )
            began = time.monotonic()
            with pytest.raises(UpstreamTimeout, match="no connection"):
                await http.plain("/", {}, WireMeter())
            assert 0.3 <= time.monotonic() - began < 0.6
            assert session.connector is not None
            assert not session.connector._acquired


async def test_a_way_that_the_door_does_not_open_is_worth_asking_elsewhere() -> None:
    async with loopback_session() as session:
        http = HttpStream(
            session,
            base_url="http://provider.example",
            headers={},
            secret=None,
            decode_error=decode_error,
            connect_seconds=5,
        )
        with pytest.raises(UpstreamUnavailable) as caught:
            await http.plain("/", {}, WireMeter())
        assert isinstance(caught.value.__cause__, EgressRefused)


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_a_request_of_any_size_arrives_whole(size: int) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.plain({"got": len(exchange.json()["text"])})

    async with scripted_upstream(script) as server, loopback_session() as session:
        http = HttpStream(
            session,
            base_url=server.base_url,
            headers={},
            secret=None,
            decode_error=decode_error,
            connect_seconds=5,
        )
        meter = WireMeter()
        assert await http.plain("/", {"text": "x" * size}, meter) == b'{"got": %d}' % size
        assert meter.sent > size


KEY = "sk-provider/0123456789+abcdef"


@pytest.mark.parametrize("told", [f"no such model for {KEY}", "x" * 480 + KEY, "a" * 495 + KEY])
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_an_error_inside_an_answer_does_not_tell_our_key(
    told: str, escaped: bool, stream: bool, wire: str
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": told}}

    async def script(exchange: Exchange) -> None:
        text = json.dumps(error)
        if escaped:
            text = text.replace("/", "\\/")
        if not stream:
            await exchange.plain(text.encode())
            return
        await exchange.begin_stream()
        await exchange.event(text)
        await exchange.end_stream()

    async with scripted_upstream(script) as server, loopback_session() as session:
        http = HttpStream(
            session,
            base_url=server.base_url,
            headers={},
            secret=KEY,
            decode_error=decode_error,
            connect_seconds=5,
        )
        answer = MessagesAnswer() if wire == "anthropic" else OpenAIAnswer(decode_chat_chunk)
        with pytest.raises(BasketError) as caught:
            async for _ in http.chunks("/", {}, answer, WireMeter(), read_along=True):
                pass
        assert "refused the request" in caught.value.message
        assert "sk-prov" not in str(caught.value)
        assert "sk-pr" not in str(caught.value)
