"""`basket status`: what is running."""

from collections.abc import Sequence

import click

from secondbasket.cli.connection import call
from secondbasket.cli.ledger_checks import signing
from secondbasket.cli.output import emit, json_option, moment, printable, seconds, size, table
from secondbasket.core.drill import DrillRow
from secondbasket.core.rules import Continuation
from secondbasket.core.standing import Standing
from secondbasket.server.admin.words import BasketStatus

_CONTINUATIONS: dict[Continuation, str] = {
    "none": "end with an error",
    "prefill": "go on by prefill",
    "replay": "go on by prefill or replay",
}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show what is running: baskets, upstreams, engines, memory.

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
    click.echo(printable(f"{status.state}{': ' * bool(status.reason)}{status.reason}"))
    click.echo(printable(f"Ledger: {signing(status.ledger).found}\n"))
    table(
        ("BASKET", "TASK", "STATE", "ROUTING", "BROKEN STREAMS", "LAST DRILL"),
        [
            (
                basket.name,
                basket.task,
                "ready" if basket.ready else "not ready",
                basket.rules.routing,
                _CONTINUATIONS[basket.rules.continuation],
                _drill(basket.drill),
            )
            for basket in status.baskets
        ],
    )
    click.echo()
    _show_upstreams(status.baskets)
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
    for name, reason in status.unserved.items():
        click.echo()
        click.echo(printable(f"{name} is not served: {reason}"))


def _drill(row: DrillRow | None) -> str:
    if row is None:
        return "never"
    return f"{row.outcome.replace('_', ' ')} {moment(row.at)} ({', '.join(row.cuts)})"


def _show_upstreams(baskets: Sequence[BasketStatus]) -> None:
    header = ("BASKET", "UPSTREAM", "STATE", "IN FLIGHT", "FIRST TOKEN", "FAILED", "LAST ERROR")
    table(
        (*header, "LAW", "VENDOR", "WHY"),
        [
            ("" if number else basket.name, *_upstream_row(standing))
            for basket in baskets
            for number, standing in enumerate(basket.upstreams)
        ],
        right=(3, 4, 5),
    )


def _upstream_row(standing: Standing) -> tuple[str, ...]:
    latency = standing.first_token_ms
    return (
        standing.name,
        standing.state,
        str(standing.in_flight),
        "" if latency is None else f"{latency:.0f} ms",
        f"{standing.failure_share:.0%}",
        standing.last_error,
        standing.law,
        standing.vendor,
        "; ".join(filter(None, (standing.reason, standing.unproven))),
    )
