"""What tools stand on in tests: a real door, and a web server on loopback that misbehaves."""

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web as aiohttp_web
from yarl import URL

from secondbasket.core.decision import Decision
from secondbasket.egress import Session
from secondbasket.egress.door import Door
from secondbasket.policy.destinations import DestinationRules, destination_of

Request = aiohttp_web.Request
BOMB = gzip.compress(bytes(20_000_000))
PAGE = """<html><head><title>Prices</title><script>alert('no')</script></head>
<body><h1>Prices &amp; terms</h1><p>Bolts cost
<b>3 EUR</b>.</p><ul><li>Nuts</li><li>Nails</li></ul></body></html>"""


def no_session(purpose: str, base_url: str | None) -> Session:
    raise AssertionError(f"nothing here goes out, least of all for {purpose} to {base_url}")


@asynccontextmanager
async def open_door(
    *origins: str, told: list[Decision] | None = None
) -> AsyncIterator[Callable[[str, str | None], Session]]:
    """A door that may lead to `origins` on loopback, as a ground's `session`."""
    decisions = [] if told is None else told
    rules = DestinationRules(named=[destination_of(URL(origin)) for origin in origins])
    door = Door(rules, decisions.append)
    yield lambda purpose, base_url: door.session(purpose, base_url=base_url)
    await door.aclose()


@dataclass
class Site:
    """A web server: `seen` are the requests it got, `orders` what was posted, by its key."""

    origin: str = ""
    elsewhere: str = "http://169.254.169.254/latest/meta-data"
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    orders: dict[str, Any] = field(default_factory=dict)
    sent: int = 0


class _Pages:
    """What the site answers, by path."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.released = anyio.Event()

    async def page(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(text=PAGE, content_type="text/html")

    async def orders(self, request: Request) -> aiohttp_web.Response:
        key = request.headers.get("Idempotency-Key", "")
        self.site.orders.setdefault(key, await request.json())
        return aiohttp_web.json_response({"accepted": True}, status=201)

    async def huge(self, request: Request) -> aiohttp_web.StreamResponse:
        reply = aiohttp_web.StreamResponse(headers={"Content-Type": "text/plain"})
        await reply.prepare(request)
        for _ in range(800):
            await reply.write(b"x" * 65536)
            self.site.sent += 65536
        return reply

    async def hang(self, request: Request) -> aiohttp_web.Response:
        await self.released.wait()
        return aiohttp_web.Response()

    async def away(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(status=302, headers={"Location": self.site.elsewhere})

    async def moved(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(status=301, headers={"Location": "/page"})

    async def circle(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(status=302, headers={"Location": "/circle"})

    async def broken(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(status=502, text="it fell over")

    async def bomb(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(
            body=BOMB,
            headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"},
        )

    async def picture(self, request: Request) -> aiohttp_web.Response:
        return aiohttp_web.Response(body=b"\x89PNG\0", content_type="image/png")


@asynccontextmanager
async def web() -> AsyncIterator[Site]:
    """A site on a free port of loopback, until the block is left."""
    site = Site()
    pages = _Pages(site)

    @aiohttp_web.middleware
    async def note(request: Request, handler: Any) -> aiohttp_web.StreamResponse:
        site.seen.append((request.method, request.path_qs, dict(request.headers)))
        reply: aiohttp_web.StreamResponse = await handler(request)
        return reply

    application = aiohttp_web.Application(middlewares=[note])
    for name in "page huge hang away moved circle broken bomb picture".split():
        application.router.add_get(f"/{name}", getattr(pages, name))
    for name in "orders broken hang".split():
        application.router.add_post(f"/{name}", getattr(pages, name))
    runner = aiohttp_web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    listener = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        pages.released.set()
        await runner.cleanup()
