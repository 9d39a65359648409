"""`basket usage`: what was used and what it cost."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.moment import read_moment
from secondbasket.cli.output import emit, json_option, moment, table
from secondbasket.core.money import format_nano
from secondbasket.core.receipt import Receipt
from secondbasket.core.usage import UsageRow

_GROUPS = ("hour", "day", "key", "basket", "upstream")
_FIELDS = {"key": "key_id"}


@click.command()
@click.option(
    "--by",
    type=click.Choice(_GROUPS),
    multiple=True,
    help="Sum up by this; give it more than once for finer sums. Default: by key and basket.",
)
@click.option("--since", metavar="WHEN", help="Leave out what was before: 24h, 30d, or a moment.")
@click.option("--until", metavar="WHEN", help="Leave out what came then or later.")
@click.option("--key", "key_id", metavar="ID", help="Count this key's calls only.")
@click.option("--rows", type=click.IntRange(1, 10_000), help="List the latest N receipts instead.")
@json_option
def command(
    by: tuple[str, ...],
    since: str | None,
    until: str | None,
    key_id: str | None,
    rows: int | None,
    as_json: bool,
) -> None:
    """Sum up tokens and money.

    With --json, cost is in nano-units: 1,000,000,000 are one unit of the currency.
    """
    if rows is not None:
        receipts = call(
            lambda server: server.get("receipts", list[Receipt], limit=str(rows), key=key_id)
        )
        if as_json:
            emit(receipts)
        else:
            _show_receipts(receipts)
        return
    groups = list(by or ("key", "basket"))
    sums = call(
        lambda server: server.get(
            "usage",
            list[UsageRow],
            by=groups,
            key=key_id,
            since=read_moment(since, "--since"),
            until=read_moment(until, "--until"),
        )
    )
    if as_json:
        emit(sums)
    else:
        _show_sums(sums, groups)


def _show_sums(sums: list[UsageRow], groups: list[str]) -> None:
    if not sums:
        click.echo("Nothing was used yet.")
        return
    table(
        (*(group.upper() for group in groups), "CALLS", "INPUT", "OUTPUT", "COST"),
        [
            (
                *(str(getattr(row, _FIELDS.get(group, group))) for group in groups),
                f"{row.calls:,}",
                f"{row.input_tokens:,}",
                f"{row.output_tokens:,}",
                format_nano(row.cost, row.currency),
            )
            for row in sums
        ],
        right=range(len(groups), len(groups) + 4),
    )


def _show_receipts(receipts: list[Receipt]) -> None:
    table(
        ("RECEIPT", "WHEN", "KEY", "BASKET", "CLASS", "OUTCOME", "INPUT", "OUTPUT", "COST"),
        [
            (
                row.request_id,
                moment(row.created_at),
                row.key_name,
                row.basket,
                row.data_class,
                row.outcome,
                f"{row.input_tokens:,}",
                f"{row.output_tokens:,}",
                format_nano(row.cost, row.currency),
            )
            for row in receipts
        ],
        right=(6, 7, 8),
    )
