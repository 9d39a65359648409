"""Real servers on loopback, a scripted resolver, and both clients of the door behind one call."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from anyio import to_thread

from secondbasket.core.decision import Decision
from secondbasket.egress.door import Door
from secondbasket.egress.httpx_client import httpx_client

Fetch = Callable[..., Awaitable[tuple[int, bytes]]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Served:
    """A running server and the requests that reached it."""

    port: int
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """`await serve(handler, address="127.0.0.1", port=0, tls=None)` → Served."""
    async with AsyncExitStack() as stack:

        async def start(
            handler: Handler,
            *,
            address: str = "127.0.0.1",
            port: int = 0,
            tls: ssl.SSLContext | None = None,
        ) -> Served:
            served = Served(0)

            async def noted(request: web.BaseRequest) -> web.StreamResponse:
                served.requests.append((str(request.url), dict(request.headers)))
                # A base request has all that these handlers use.
                return await handler(request)  # type: ignore[arg-type]  # as told

            runner = web.ServerRunner(web.Server(noted))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, address, port, ssl_context=tls).start()
            served.port = runner.addresses[0][1]
            return served

        yield start


@dataclass
class Names:
    """A resolver that answers each name with the next of its scripted answers."""

    answers: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def told() -> list[Decision]:
    """Where a door under test puts its decisions."""
    return []


async def _by_aiohttp(door: Door, url: str, **headers: str) -> tuple[int, bytes]:
    async with door.session("test").get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def _by_httpx(door: Door, url: str, **headers: str) -> tuple[int, bytes]:
    def fetch() -> tuple[int, bytes]:
        with httpx_client(door, "test") as client:
            answer = client.get(url, headers=headers)
            return answer.status_code, answer.content

    return await to_thread.run_sync(fetch)


@pytest.fixture(params=[_by_aiohttp, _by_httpx], ids=["aiohttp", "httpx"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    """`await fetch(door, url, **headers)` → status and body, through each client in turn."""
    chosen: Fetch = request.param
    return chosen
