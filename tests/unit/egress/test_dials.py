"""What an upstream's death looks like from a connection that was kept, and from a dial."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest

from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.loopback import loopback_session

pytestmark = pytest.mark.anyio

FACTS = UpstreamFacts(name="u", provider="p", law="US", model="m", task="chat", price=Price(0, 0))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Far:
    """A server on a thread: it can close a connection while our event loop looks elsewhere."""

    def __init__(self, listener: socket.socket, answers: list[bytes]) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connections = 0
        self.close = threading.Event()
        self.closed = threading.Event()
        self._listener = listener
        self._answers = answers

    def serve(self) -> None:
        """One connection after another: an answer for each, then the end when told to."""
        for answer in self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                if answer:
                    connection.recv(65536)
                    connection.sendall(answer)
                    self.close.wait(10)
            self.closed.set()


@contextmanager
def far(*answers: bytes) -> Iterator[Far]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        place = Far(listener, list(answers))
        thread = threading.Thread(target=place.serve)
        thread.start()
        try:
            yield place
        finally:
            place.close.set()
            thread.join()


@asynccontextmanager
async def asking() -> AsyncIterator[aiohttp.ClientSession]:
    session = loopback_session(FACTS, Cuts())
    yield session
    await session.close()


async def text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as reply:
        return await reply.text()


async def test_a_kept_connection_that_was_closed_is_not_used() -> None:
    with far(ANSWER, ANSWER) as place:
        async with asking() as session:
            assert await text(session, place.url) == "ok"
            # The loop stands still: nobody has told the session of the end.
            place.close.set()
            assert place.closed.wait(10)
            assert await text(session, place.url) == "ok"
        assert place.connections == 2


async def test_a_new_connection_that_is_closed_at_once_is_dialled_once() -> None:
    with far(b"") as place:
        async with asking() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(place.url)  # aiohttp asks a second time by itself for a GET
        assert place.connections == 1


async def test_a_refusal_on_this_machine_is_told_before_the_loop_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    went_on: list[bool] = []
    async with asking() as session:
        asyncio.get_running_loop().call_soon(went_on.append, True)
        with pytest.raises(aiohttp.ClientConnectorError, match="refused"):
            await session.get(f"http://127.0.0.1:{port}")
        assert not went_on


async def test_a_dial_that_is_not_answered_at_once_is_waited_for() -> None:
    with socket.socket() as listener, socket.socket() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        waiting.connect(place)  # fills the queue: the next one is let in when this one is
        async with asking() as session:
            asked = asyncio.create_task(text(session, f"http://127.0.0.1:{place[1]}"))
            began = time.monotonic()
            await asyncio.sleep(0.1)
            listener.accept()[0].close()
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                connection.sendall(ANSWER)
                assert await asked == "ok"
    assert time.monotonic() - began > 0.5
