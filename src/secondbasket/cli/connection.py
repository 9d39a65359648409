"""How a command reaches the stack: always through the home's admin socket.

When a server runs, that is its socket. When none does, the command starts the
stack in its own process, on the same socket and under the home's lock, for as
long as it lasts. So there is one road, and every command does what the server
would do.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Never, TypeVar

import aiohttp
import anyio
import click
import msgspec

from secondbasket.cli.home import read_home
from secondbasket.core.ports import PullProgress
from secondbasket.egress.home_socket import home_session
from secondbasket.errors import BasketError, HomeInUse, UpstreamBroken, UpstreamUnavailable
from secondbasket.server.admin.words import Failed, Failure, Status, Step
from secondbasket.settings import Loaded
from secondbasket.stores.home import Home

T = TypeVar("T")

_ATTEMPTS = 100
_PAUSE_SECONDS = 0.1


class Refused(BasketError):
    """What the server said no to, in its own words. Instances carry its code and status."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


class Connection:
    """Calls of the admin door. Raises Refused, and UpstreamUnavailable when nobody answers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def get(self, path: str, kind: type[T], **query: str | list[str] | None) -> T:
        """The answer of GET /admin/`path`; parameters that are None are left out."""
        return await self._call("GET", path, kind, query=query)

    async def post(self, path: str, kind: type[T], body: object = None) -> T:
        return await self._call("POST", path, kind, body=body)

    async def delete(self, path: str, kind: type[T]) -> T:
        return await self._call("DELETE", path, kind)

    async def steps(
        self,
        path: str,
        body: object = None,
        *,
        report: Callable[[PullProgress], None],
        **query: str | None,
    ) -> Step:
        """The last line of a long answer; `report` is told of those before it."""
        async with aclosing(self.follow(path, body, **query)) as steps:
            async for step in steps:
                if step.progress is None:
                    return step
                report(step.progress)
        raise UpstreamBroken("The server ended in the middle of its answer.")

    async def follow(
        self, path: str, body: object = None, **query: str | None
    ) -> AsyncGenerator[Step, None]:
        """Every line of a long answer as it comes; close it early to call the work off."""
        async with self._request("POST", path, body=body, query=query) as response:
            async for line in _lines(response):
                step = msgspec.json.decode(line, type=Step)
                if step.error is not None:
                    raise Refused(step.error)
                yield step

    async def status(self) -> Status:
        return await self.get("status", Status)

    async def _call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
    ) -> T:
        async with self._request(method, path, body=body, query=query or {}) as response:
            return msgspec.json.decode(await response.read(), type=kind)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, body: object, query: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        given = {name: value for name, value in query.items() if value is not None}
        try:
            async with self.session.request(
                method,
                f"/admin/{path}",
                params=[
                    (name, item)
                    for name, value in given.items()
                    for item in (value if isinstance(value, list) else [value])
                ],
                data=None if body is None else msgspec.json.encode(body),
            ) as response:
                if response.status >= 400:
                    _refuse(await response.read())
                yield response
        except aiohttp.ClientError as exc:
            raise UpstreamUnavailable(
                f"The server did not answer: {exc}.", hint="See `basket doctor`."
            ) from exc


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length; a broken connection ends in aiohttp.ClientError."""
    rest = b""
    async for block in response.content.iter_any():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line


def _refuse(body: bytes) -> Never:
    raise Refused(msgspec.json.decode(body, type=Failed).error)


def call(ask: Callable[[Connection], Awaitable[T]], *, start: bool = True) -> T:
    """What `ask` gets from the server of this home, or from a stack started for it.

    With `start` False, a home without a server raises UpstreamUnavailable.
    """

    async def connected() -> T:
        async with connect(start=start) as connection:
            return await ask(connection)

    return anyio.run(connected)


@asynccontextmanager
async def connect(*, start: bool = True, engines: bool = False) -> AsyncIterator[Connection]:
    """A connection to this home's server, or to a stack that runs as long as the block.

    `engines` says whether such a stack has to load models. Raises
    SettingsError, HomeInUse, and UpstreamUnavailable when there is no server
    and none is to be started.
    """
    loaded = read_home()
    home = Home(loaded.settings.home)
    async with AsyncExitStack() as stack:
        connection = Connection(await stack.enter_async_context(home_session(home.admin_socket)))
        if not await _answers(connection):
            if not start:
                raise UpstreamUnavailable(
                    f"No server runs on {home.root}.", hint="Start one with `basket up`."
                )
            await _start(stack, loaded, home, connection, engines=engines)
        yield connection


async def _start(
    stack: AsyncExitStack, loaded: Loaded, home: Home, connection: Connection, *, engines: bool
) -> None:
    """Run the stack here, or wait for the process that is about to."""
    home.create()
    try:
        stack.enter_context(home.lock(click.get_current_context().command_path))
    except HomeInUse:
        # Its holder may be a command as short as this one, or a server that is just starting.
        for _ in range(_ATTEMPTS):
            await anyio.sleep(_PAUSE_SECONDS)
            if await _answers(connection):
                return
        raise
    # The stack's imports take longer than all of a command that only asks a running server.
    from secondbasket.cli.log import configure
    from secondbasket.cli.stack import run_stack

    configure("warning", loaded.settings.log.format)
    await stack.enter_async_context(
        run_stack(
            loaded.settings,
            engines=engines,
            public=False,
            reread=lambda: read_home().settings,
        )
    )


async def _answers(connection: Connection) -> bool:
    try:
        await connection.status()
    except UpstreamUnavailable:
        return False
    return True
