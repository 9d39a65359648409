"""Running the stack in this process: for as long as `basket up`, or as short as one command."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager

import anyio

from secondbasket.app import Stack, open_stack
from secondbasket.cli.stand_ins import StandIns
from secondbasket.server.app import admin_app, public_app
from secondbasket.server.listen import listen_tcp, listen_unix
from secondbasket.server.serve import Listener
from secondbasket.settings import Settings
from secondbasket.stores.home import Home


def _ignore() -> None:
    """A command that started the stack ends it itself."""


@asynccontextmanager
async def run_stack(
    settings: Settings,
    *,
    engines: bool,
    public: bool,
    reread: Callable[[], Settings],
    stop: Callable[[], None] = _ignore,
    stand_ins: bool = False,
) -> AsyncGenerator[tuple[Stack, str], None]:
    """The stack and its address, with its doors open; the home's lock is the caller's to hold.

    The admin door is on the home's socket, the others on TCP when `public`;
    the address is empty else. `stop` is called when somebody asks this process
    to end. `stand_ins` adds two vendors that are none. Raises PortInUse before
    anything else is started.
    """
    server = settings.server
    admin_socket = Home(settings.home).admin_socket
    with ExitStack() as sockets:
        admin = sockets.enter_context(listen_unix(admin_socket))
        sockets.callback(admin_socket.unlink, missing_ok=True)
        tcp = sockets.enter_context(listen_tcp(server.host, server.port)) if public else None
        address = "" if tcp is None else _address(settings, tcp.getsockname()[1])
        environment: Mapping[str, str] = os.environ
        vendors = StandIns(sockets) if stand_ins else None
        if vendors is not None:
            settings, environment = vendors.configured(settings), vendors.environment(environment)
            reread = vendors.configuring(reread)
        try:
            async with open_stack(settings, environment, engines=engines, reread=reread) as stack:
                door = admin_app(stack, address=address, stop=stop)
                drain_seconds = settings.engine.drain_seconds
                doors = [Listener(door, admin, drain_seconds=drain_seconds)]
                if tcp is not None:
                    doors.append(
                        Listener(
                            public_app(stack),
                            tcp,
                            drain_seconds=drain_seconds,
                            certificate=server.tls_certificate,
                            private_key=server.tls_key,
                            trusted_proxies=server.trusted_proxies,
                        )
                    )
                if vendors is not None:
                    doors += vendors.doors(stack)
                async with anyio.create_task_group() as tasks:
                    for each in doors:
                        tasks.start_soon(each.run)
                    try:
                        yield stack, address
                    finally:
                        stack.drills.stop()  # else whoever follows it keeps the doors from closing
                        for each in doors:
                            each.stop()
        except BaseExceptionGroup as group:
            raise _sole(group) from None


def _address(settings: Settings, port: int) -> str:
    scheme = "http" if settings.server.tls_certificate is None else "https"
    host = settings.server.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error inside: task groups wrap what a block raised, commands ask for its type."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
