"""The road to a provider, where what must be shown is not of any wire."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from secondbasket.core.ports import WireMeter
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import EgressRefused, UpstreamTimeout, UpstreamUnavailable
from secondbasket.maas.upstreams.http_stream import HttpStream
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
