import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import EgressRefused


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    """The address of a real server that says which headers reached it."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(sorted(request.headers))

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=bytes(8 << 20))

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://10.0.0.1/")

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_get("/long", long)
    app.router.add_get("/elsewhere", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.anyio
async def test_reaches_an_engine_with_nagle_off(engine: str) -> None:
    async with loopback_session() as session, session.get(engine) as answer:
        assert await answer.json() == ["Accept", "Host"]
    async with loopback_session() as session, session.get(f"{engine}/long") as answer:
        assert answer.connection is not None
        transport = answer.connection.transport
        assert transport is not None
        wire: socket.socket = transport.get_extra_info("socket")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.anyio
async def test_ignores_the_proxies_of_the_environment(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with loopback_session() as session, session.get(engine) as answer:
        assert answer.status == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    ["http://localhost:9/", "http://example.org/", "http://10.0.0.1/", "http://[::ffff:8.8.8.8]/"],
)
async def test_dials_nothing_but_loopback_addresses(url: str) -> None:
    async with loopback_session() as session:
        with pytest.raises(EgressRefused):
            await session.get(url)


@pytest.mark.anyio
async def test_a_redirect_leads_nowhere_else(engine: str) -> None:
    async with loopback_session() as session:
        with pytest.raises(EgressRefused):
            await session.get(f"{engine}/elsewhere")
