"""`basket chips`: the silicon of this machine."""

import click

from secondbasket.cli.connection import call
from secondbasket.cli.output import emit, json_option, size, table
from secondbasket.core.chip import Chip


@click.command()
@click.option(
    "--measure/--no-measure", default=True, help="Time how fast memory is read (a second or so)."
)
@json_option
def command(measure: bool, as_json: bool) -> None:
    """Show the chips that can run a model, and how fast they read.

    Writing an answer reads all of a model's weights for each token: memory bandwidth is what
    limits its speed.
    """
    chips = call(
        lambda server: server.get("chips", list[Chip], measure="true" if measure else "false")
    )
    if as_json:
        emit(chips)
        return
    table(
        ("CHIP", "NAME", "CORES", "MEMORY", "FREE", "READS", "FEATURES"),
        [
            (
                chip.id,
                chip.name,
                str(chip.cores),
                size(chip.memory_total),
                size(chip.memory_free),
                "not measured" if chip.read_bandwidth is None else f"{size(chip.read_bandwidth)}/s",
                " ".join(chip.features),
            )
            for chip in chips
        ],
        right=(2, 3, 4, 5),
    )
