"""`basket up`: the server, in the foreground."""

import gc
import signal
import time
from collections.abc import Callable

import anyio
import click

from secondbasket import __version__
from secondbasket.app import Stack
from secondbasket.cli.home import read_home
from secondbasket.cli.log import configure
from secondbasket.cli.output import printable
from secondbasket.cli.reload import summary
from secondbasket.cli.stack import run_stack
from secondbasket.cli.stand_ins import BASKET
from secondbasket.core.reloaded import Reloaded
from secondbasket.errors import BasketError
from secondbasket.settings import Settings
from secondbasket.stores.home import Home

_EXAMPLE = """\
Try it:
  curl {address}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", \
"content": "Name the capital of France."}}]}}'
"""

_STAND_INS = f"""\
Two stand-in vendors answer on this machine, for practice: one declared under US law, one under
EU law. The model '{BASKET}' has both behind it. Cut one, and see who answers:
  basket drill --cut law:US --basket {BASKET}
"""


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8400]")
@click.option(
    "--show-key/--hide-key",
    default=True,
    help="Print the local key at start; hide it where others read what is printed.",
)
@click.option(
    "--stand-ins",
    is_flag=True,
    help="Add two vendors for practice, one under US law and one under EU law, on this machine.",
)
def command(host: str | None, port: int | None, show_key: bool, stand_ins: bool) -> None:
    """Serve the API and the console, in the foreground.

    Ends on Ctrl-C and on SIGTERM, once the answers under way are written or engine.drain_seconds
    have passed.
    """
    given = {"server.host": host, "server.port": port}
    flags = {key: value for key, value in given.items() if value is not None}

    def read() -> Settings:
        return read_home(flags).settings

    settings = read()
    configure(settings.log.level, settings.log.format)
    home = Home(settings.home)
    home.create()
    with home.lock("basket up"):
        anyio.run(_serve, settings, read, show_key, stand_ins, backend_options={"use_uvloop": True})


async def _serve(
    settings: Settings, read: Callable[[], Settings], show_key: bool, stand_ins: bool
) -> None:
    started = time.perf_counter()
    stopping = anyio.Event()
    async with (
        run_stack(
            settings,
            engines=True,
            public=True,
            reread=read,
            stop=stopping.set,
            stand_ins=stand_ins,
        ) as (stack, address),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_await_signal, stopping, stack.reload)
        _settle_memory()
        await _greet(stack, address, show_key)
        if stand_ins:
            click.echo(_STAND_INS)
        tasks.start_soon(_tell_ready, stack, started)
        await stopping.wait()
        click.echo("Stopping: answers under way may end.", err=True)
        tasks.cancel_scope.cancel()
    click.echo("Stopped.", err=True)


def _settle_memory() -> None:
    """What start-up made stays for good: collecting garbage need not walk it again.

    Measured at 16 calls under way: a full collection stopped every call for 40 ms.
    """
    gc.collect()
    gc.freeze()


async def _await_signal(stopping: anyio.Event, reload: Callable[[], Reloaded]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for received in signals:
            if received == signal.SIGHUP:
                _reload(reload)
            else:
                stopping.set()


def _reload(reload: Callable[[], Reloaded]) -> None:
    """A bad file is told of and changes nothing."""
    try:
        reloaded = reload()
    except BasketError as error:
        click.echo(f"Not reloaded: {printable(str(error))}", err=True)
    else:
        click.echo(f"Reloaded. {printable(summary(reloaded))}", err=True)


async def _greet(stack: Stack, address: str, show_key: bool) -> None:
    key = await stack.local_key()
    told = key if show_key else f"in {stack.home.local_key_file}"
    click.echo(
        f"Second Basket {__version__}\n"
        f"  Console  {address}/\n"
        f"  API      {address}/v1\n"
        f"  Key      {told}\n"
    )
    example = _EXAMPLE.format(
        address=address,
        key=key if show_key else "KEY",
        model=stack.settings.models.default_chat,
    )
    click.echo(example)


async def _tell_ready(stack: Stack, started: float) -> None:
    """Say once when the default model can answer, and until then why it cannot."""
    told = None
    while reason := stack.waiting_for():
        if reason != told:
            click.echo(f"Not ready: {printable(reason)}", err=True)
            told = reason
        await stack.supervisor.changed.wait()
    click.echo(f"Ready after {time.perf_counter() - started:.1f} s.", err=True)
