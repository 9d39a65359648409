"""`basket status`: what is running."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable, seconds, size, table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show what is running: baskets, engines, memory.

    Fails when no server runs on this home.
    """
    status = call(lambda server: server.status(), start=False)
    if as_json:
        emit(status)
        return
    click.echo(
        f"Second Basket {status.version} on {status.address}, process {status.pid}, "
        f"up {seconds(status.uptime_seconds)}, home {status.home}"
    )
    click.echo(printable(f"{status.state}{': ' * bool(status.reason)}{status.reason}\n"))
    table(
        ("BASKET", "TASK", "STATE", "ANSWERED BY"),
        [
            (
                basket.name,
                basket.task,
                "ready" if basket.ready else "not ready",
                ", ".join(basket.upstreams),
            )
            for basket in status.baskets
        ],
    )
    click.echo()
    table(
        ("REPLICA", "ENGINE", "CHIP", "STATE", "PROCESS", "ESTIMATE", "MEMORY"),
        [
            (
                replica.name,
                replica.engine,
                replica.chip,
                replica.state + f" ({replica.reason})" * bool(replica.reason),
                "" if replica.pid is None else str(replica.pid),
                size(replica.estimate.needed),
                "" if replica.observed_bytes is None else size(replica.observed_bytes),
            )
            for replica in status.replicas
        ],
        right=(4, 5, 6),
    )
