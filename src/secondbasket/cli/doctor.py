"""`basket doctor`: is this set-up sound, and if not, what mends it?"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import anyio
import click

from secondbasket.cli import checks, ledger_checks
from secondbasket.cli.chat import first_chat_basket
from secondbasket.cli.checks import guarded
from secondbasket.cli.connection import Connection, connect
from secondbasket.cli.finding import Finding, broken, ok, warning
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, printable, size
from secondbasket.cli.sandbox_check import sandbox
from secondbasket.core.chip import Chip
from secondbasket.core.pepper import PepperFact
from secondbasket.errors import BasketError
from secondbasket.maas.independence import Findings
from secondbasket.server.listen import listen_tcp
from secondbasket.settings import Settings, default_home
from secondbasket.stores.home import Home

_PAUSE_SECONDS = 0.1
_IDLE_LOOKS = 30

_MARKS = {"ok": ("green", "ok"), "warning": ("yellow", "warn"), "broken": ("red", "FAIL")}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Check this set-up, and say how to mend it. Fails when something is broken.

    Without a running server, this starts the engines for a moment to see that they can.
    """
    findings = []
    for finding in _examine():
        findings.append(finding)
        if not as_json:
            _show(finding)
    found_broken = sum(finding.state == "broken" for finding in findings)
    if as_json:
        emit({"sound": not found_broken, "findings": findings})
    if found_broken:
        raise BasketError(
            f"{found_broken} of {len(findings)} checks found something broken.",
            hint="" if as_json else "Each says above how to mend it.",
        )


def _show(finding: Finding) -> None:
    colour, mark = _MARKS[finding.state]
    told = printable(f"{finding.check}: {finding.found}")
    click.echo(f"{click.style(mark.rjust(4), fg=colour)}  {told}")
    if finding.mend:
        click.echo(f"      → {printable(finding.mend)}")


def _examine() -> Iterator[Finding]:
    now = datetime.now(UTC)
    yield checks.python()
    home = Home(default_home(os.environ))
    usable = guarded("Home", lambda: checks.home_folder(home))
    yield usable
    if home.root.is_dir():
        yield guarded("Disk", lambda: checks.disk(home))
        yield guarded("Clock", lambda: checks.clock(home, now))
    try:
        settings = read_home().settings
    except BasketError as error:
        yield broken("Settings", error)
        return
    yield ok("Settings", "all understood")
    yield checks.tls(settings, now)
    yield checks.outbound(settings, os.environ)
    yield checks.upstreams(settings)
    yield from checks.provider_keys(settings, os.environ)
    yield sandbox()
    if usable.state != "broken":
        yield from checks.models(home, settings)
        yield from anyio.run(_examine_stack, settings)


async def _examine_stack(settings: Settings) -> list[Finding]:
    """What only the stack itself can tell: the port, the database, the chips, the engines."""
    try:
        async with connect(engines=True) as server:
            status = await server.status()
            if status.address:
                port = ok("Server", f"running on {status.address}, process {status.pid}")
            else:
                port = guarded("Port", lambda: _port(settings))
            chips = await server.get("chips", list[Chip], measure="false")
            peppers = await server.get("peppers", list[PepperFact])
            engine = await _engine(server)
            second = await _second_engine(server, settings)
            findings = await server.get("lint", Findings)
            return [
                port,
                _memory(chips),
                engine,
                *second,
                checks.independence(findings),
                checks.drills(status.baskets),
                ledger_checks.peppers(peppers),
                ledger_checks.signing((await server.status()).ledger),
            ]
    except BasketError as error:
        return [broken("Stack", error)]


def _port(settings: Settings) -> Finding:
    server = settings.server
    listen_tcp(server.host, server.port).close()
    return ok("Port", f"{server.host}:{server.port} is free")


def _memory(chips: list[Chip]) -> Finding:
    told = ", ".join(f"{chip.name}: {size(chip.memory_free)} free" for chip in chips)
    return ok("Chips", told)


async def _engine(server: Connection) -> Finding:
    try:
        name = await first_chat_basket(server)
    except BasketError as error:
        return broken("Engine", error)
    return ok("Engine", f"'{name}' is loaded and ready to answer")


async def _second_engine(server: Connection, settings: Settings) -> list[Finding]:
    """Whether the default model runs in a second engine as well, waited for while that loads."""
    check, engine = "Second engine", settings.engine.second
    if not engine:
        return []
    name = f"{settings.models.default_chat}@{engine}"
    mend = "llamacpp answers alone; set engine.second to '' if that is how you want it."
    idle = 0
    with anyio.move_on_after(settings.engine.start_timeout_seconds):
        while True:
            status = await server.status()
            if name in status.unserved:
                return [warning(check, status.unserved[name], mend)]
            replica = next((each for each in status.replicas if each.name == name), None)
            if replica is not None and replica.state == "failed":
                return [warning(check, f"{engine}: {replica.reason}", mend)]
            if replica is not None and replica.state == "ready":
                return [ok(check, f"{replica.engine} is ready to answer as well")]
            loading = any(each.state == "starting" for each in status.replicas)
            idle = 0 if replica or loading else idle + 1
            if idle > _IDLE_LOOKS:
                return []  # nothing loads, and it does not come: the model runs in it anyway
            await anyio.sleep(_PAUSE_SECONDS)
    return [warning(check, f"{engine} was not ready in time.", mend)]
