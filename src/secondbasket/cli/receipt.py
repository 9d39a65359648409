"""`basket receipt`: what happened for one request."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, printable, size, table
from secondbasket.core.money import format_nano
from secondbasket.core.receipt import Hop, Receipt
from secondbasket.core.story import hops_of, story


@click.command()
@click.argument("request_id", metavar="ID")
@json_option
def command(request_id: str, as_json: bool) -> None:
    """Show what happened for one request.

    ID is the answer's id, and its x-basket-request-id header. Where more than one upstream had a
    part, each is listed: why it was asked, how it ended, what it used and cost.
    """
    receipt = call(lambda server: server.get(f"receipts/{request_id}", Receipt))
    if as_json:
        emit(receipt)
    else:
        show(receipt)


def show(receipt: Receipt) -> None:
    """Everything of it, for a person."""
    for label, value in receipt_lines(receipt):
        click.echo(f"{click.style(label.ljust(9), bold=True)} {printable(value)}")
    if receipt.hops:
        click.echo()
        _show_hops(receipt)
    if receipt.passed_over:
        click.echo()
        table(("NOT ASKED", "WHY"), list(receipt.passed_over.items()))


def receipt_lines(receipt: Receipt) -> list[tuple[str, str]]:
    """(label, value) of everything a person asks of a receipt."""
    estimated = "" if receipt.usage_exact else " (estimated: the stream was cut)"
    cached = f" ({receipt.cached_input_tokens} from cache)" if receipt.cached_input_tokens else ""
    first = (
        "" if receipt.first_token_ms is None else f", first token {receipt.first_token_ms:.0f} ms"
    )
    error = "" if receipt.error is None else f" ({receipt.error})"
    told = story(receipt)
    return [
        ("Receipt", receipt.request_id),
        ("When", receipt.created_at),
        ("Outcome", receipt.outcome + error),
        ("Key", f"{receipt.key_name} ({receipt.key_id})"),
        ("Class", receipt.data_class),
        ("Basket", f"{receipt.basket}, answered by {receipt.upstream}"),
        *([("Hops", f"{len(hops_of(receipt))}: {told}")] if told else []),
        ("Model", f"{receipt.model} {receipt.digest}".strip()),
        ("Engine", receipt.engine or "not told"),
        ("Chip", receipt.chip or "not told"),
        ("Law", f"{receipt.law} (provider: {receipt.provider})"),
        ("Tokens", f"{receipt.input_tokens} in{cached}, {receipt.output_tokens} out{estimated}"),
        ("Time", f"{receipt.duration_ms:.0f} ms{first}"),
        ("Cost", format_nano(receipt.cost, receipt.currency)),
        ("Bytes", f"{size(receipt.bytes_sent)} sent, {size(receipt.bytes_received)} received"),
    ]


def receipt_line(receipt: Receipt) -> str:
    """The receipt in one line, to stand under an answer."""
    told = story(receipt)
    return " · ".join(
        (
            receipt.request_id,
            f"{receipt.model} {receipt.digest[:19]}".strip(),
            receipt.engine,
            receipt.chip,
            f"law: {receipt.law}",
            f"{receipt.input_tokens} + {receipt.output_tokens} tokens",
            f"{receipt.duration_ms / 1000:.2f} s",
            format_nano(receipt.cost, receipt.currency),
            *([told] if told else []),
        )
    )


def _show_hops(receipt: Receipt) -> None:
    header = ("HOP", "UPSTREAM", "LAW", "ASKED", "OUTCOME", "TOKENS", "COST", "STARTED", "FIRST")
    table(
        header,
        [
            _hop_row(number, hop, before, receipt.currency)
            for number, (hop, before) in enumerate(
                zip(receipt.hops, (None, *receipt.hops), strict=False), 1
            )
        ],
        right=(0, 5, 6, 7, 8),
    )


def _hop_row(number: int, hop: Hop, before: Hop | None, currency: str) -> tuple[str, ...]:
    about = "" if hop.usage_exact else "~"
    # The row above names the one that it came after.
    decision = hop.decision.removesuffix(f" of {before.upstream}") if before else hop.decision
    return (
        str(number),
        hop.upstream,
        hop.law,
        decision,
        hop.outcome + f" ({hop.error})" * bool(hop.error),
        f"{about}{hop.input_tokens} + {hop.output_tokens}",
        format_nano(hop.cost, currency),
        f"{hop.started_ms:.0f} ms",
        "" if hop.first_token_ms is None else f"{hop.started_ms + hop.first_token_ms:.0f} ms",
    )
