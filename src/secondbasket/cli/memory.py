"""`basket memory`: what workers remember, and how people read, correct and erase it."""

from collections.abc import Sequence

import click

from secondbasket.apps.memory.memory import (
    Corrected,
    Hygiene,
    Memory,
    Recalled,
    Receipt,
    Remembered,
)
from secondbasket.apps.memory.statement import KINDS, SOURCE_KINDS, Correction, Kind, Statement
from secondbasket.cli.connection import call
from secondbasket.cli.moment import read_moment
from secondbasket.cli.output import emit, json_option, moment, note, printable, table
from secondbasket.core.data_class import DataClass
from secondbasket.server.admin.words import EraseOrder, RecallOrder

_by = click.option("--by", required=True, metavar="PERSON", help="Who says so.")
_worker = click.option("--worker", metavar="NAME", help="Of this worker only.")


@click.group()
def command() -> None:
    """Read, correct and erase what workers remember.

    Facts, episodes, procedures and preferences; each says where it is from and since when it holds.
    What was contradicted is kept as history and never answers as if it were so.
    """


@command.command(name="list")
@_worker
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Of this kind.")
@click.option("--source", metavar="KIND:ID", help="What this source told.")
@click.option("--history", is_flag=True, help="What was contradicted or has ended as well.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="How many, at most.")
@json_option
def listing(
    worker: str | None,
    kinds: Sequence[str],
    source: str | None,
    history: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List memories, newest first."""
    found = call(
        lambda server: server.get(
            "memories",
            list[Memory],
            worker=worker,
            of=list(kinds),
            source=source,
            history="true" if history else None,
            limit=str(limit),
        )
    )
    if as_json:
        emit(found)
    elif not found:
        click.echo("Nothing is remembered.")
    else:
        _table(found)


@command.command()
@click.argument("query")
@_worker
@click.option("--at", metavar="WHEN", help="What held then: 30d (so long ago), or a moment.")
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    default=DataClass.CONFIDENTIAL.label,
    show_default=True,
    help="The highest class to answer with.",
)
@click.option("--limit", type=click.IntRange(1, 100), default=8, help="How many, at most.")
@json_option
def recall(
    query: str, worker: str | None, at: str | None, data_class: str, limit: int, as_json: bool
) -> None:
    """Show what a worker would be told about QUERY; everybody's without --worker."""
    order = RecallOrder(
        query=query,
        worker=worker,
        at=read_moment(at, "--at"),
        most_class=data_class,
        limit=limit,
    )
    found = call(lambda server: server.post("memories/recall", list[Recalled], order))
    if as_json:
        emit(found)
    elif not found:
        click.echo("Nothing is remembered about that.")
    else:
        _table([each.memory for each in found])


@command.command()
@click.argument("memory_id", metavar="ID")
@json_option
def show(memory_id: str, as_json: bool) -> None:
    """Show one memory with where it is from, and what held before, after or was corrected."""
    story = call(lambda server: server.get(f"memories/{memory_id}", list[Memory]))
    if as_json:
        emit(story)
        return
    memory = story[0]
    click.secho(printable(memory.text), bold=True)
    fields = {
        "id": memory.id,
        "kind": memory.kind,
        "state": memory.state,
        "holds": f"{moment(memory.valid_from)} to {moment(memory.valid_until) or 'now'}",
        "worker": memory.worker or "everybody",
        "data class": memory.data_class,
        "confidence": f"{memory.confidence:.2f}",
        "used": f"{memory.uses} times, last {moment(memory.last_used) or 'never'}",
        "sources": ", ".join(memory.sources),
        "derived from": ", ".join(memory.derived_from),
        "corrected by": memory.corrected_by or "",
    }
    for name, value in fields.items():
        if value:
            click.echo(f"{name:<14}{printable(value)}")
    if len(story) > 1:
        click.echo()
        _table(story[1:])


@command.command()
@click.argument("text", required=False, default="")
@click.option(
    "--kind", type=click.Choice(KINDS), default="fact", show_default=True, help="What it is."
)
@click.option("--subject", default="", help="Of whom or what it says something.")
@click.option("--predicate", default="", help="What it says of it.")
@click.option("--object", "object_", default="", help="What that is.")
@click.option("--several", is_flag=True, help="There can be more than one such object.")
@click.option("--worker", default="", metavar="NAME", help="For this worker; everybody without.")
@click.option("--from", "begins", metavar="WHEN", help="Since when it holds.")
@click.option("--until", "ends", metavar="WHEN", help="Until when it holds.")
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    default=DataClass.INTERNAL.label,
    show_default=True,
    help="The least that it counts as.",
)
@_by
@json_option
def add(
    text: str,
    kind: Kind,
    subject: str,
    predicate: str,
    object_: str,
    several: bool,
    worker: str,
    begins: str | None,
    ends: str | None,
    data_class: str,
    by: str,
    as_json: bool,
) -> None:
    """Have something remembered.

    A fact is --subject, --predicate and --object; the other kinds are TEXT.
    """
    told = Statement(
        kind=kind,
        sources=(_person(by),),
        text=text,
        subject=subject,
        predicate=predicate,
        object=object_,
        several=several,
        worker=worker,
        data_class=data_class,
        valid_from=read_moment(begins, "--from"),
        valid_until=read_moment(ends, "--until"),
        confidence=0.95,
    )
    kept = call(lambda server: server.post("memories", Remembered, told))
    if as_json:
        emit(kept)
        return
    click.echo(f"{kept.outcome}: {kept.why}" if kept.why else f"{kept.outcome}: {kept.id}")
    for each in kept.superseded:
        note(f"{each} has ended; `basket memory show {each}` shows it.")


@command.command()
@click.argument("memory_id", metavar="ID")
@click.option("--text", help="The sentence that is right.")
@click.option("--subject", help="The subject that is right.")
@click.option("--predicate", help="The predicate that is right.")
@click.option("--object", "object_", help="The object that is right.")
@_by
@json_option
def correct(
    memory_id: str,
    text: str | None,
    subject: str | None,
    predicate: str | None,
    object_: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Put what is right in the place of a memory that never was so.

    What merely has changed is told anew with `basket memory add`. What was derived from the wrong
    one answers no more.
    """
    correction = Correction(
        by=_person(by), text=text, subject=subject, predicate=predicate, object=object_
    )
    done = call(lambda server: server.post(f"memories/{memory_id}/correct", Corrected, correction))
    if as_json:
        emit(done)
        return
    click.echo(f"{done.memory.id}: {printable(done.memory.text)}")
    _receipt(done.receipt)


@command.command()
@click.argument("memory_id", metavar="ID")
@json_option
def forget(memory_id: str, as_json: bool) -> None:
    """Take a memory away, with its history and what was derived from it."""
    receipt = call(lambda server: server.delete(f"memories/{memory_id}", Receipt))
    if as_json:
        emit(receipt)
    else:
        _receipt(receipt)


@command.command()
@click.argument("source", metavar="KIND:ID")
@json_option
def erase(source: str, as_json: bool) -> None:
    """Take away everything that a source told, wherever it is, and give a receipt.

    KIND is task, document, person or message. What another source told as well stays, in that
    one's words.
    """
    order = EraseOrder(source=source)
    receipt = call(lambda server: server.post("memory-erasures", Receipt, order))
    if as_json:
        emit(receipt)
    else:
        _receipt(receipt)


@command.command()
@json_option
def hygiene(as_json: bool) -> None:
    """Show which share of memory is junk, double, contradicted, or was never used."""
    found = call(lambda server: server.get("memory-hygiene", Hygiene))
    if as_json:
        emit(found)
        return
    table(
        ("OF WHAT IS PRESENT", "SHARE"),
        [
            ("junk: today's rules would not keep it", f"{found.junk:.1%}"),
            ("duplicate: another says the same", f"{found.duplicate:.1%}"),
            ("never used", f"{found.never_used:.1%}"),
        ],
        right=(1,),
    )
    click.echo(
        f"{found.present} of {found.memories} memories are present;"
        f" {found.contradicted:.1%} of all were contradicted or corrected."
    )


def _person(by: str) -> str:
    return by if by.partition(":")[0] in SOURCE_KINDS else f"person:{by}"


def _table(found: Sequence[Memory]) -> None:
    table(
        ("ID", "KIND", "STATE", "SINCE", "CLASS", "SURE", "USED", "TEXT"),
        [
            (
                each.id,
                each.kind,
                each.state,
                moment(each.valid_from),
                each.data_class,
                f"{each.confidence:.2f}",
                str(each.uses),
                each.text.replace("\n", " ")[:80],
            )
            for each in found
        ],
        right=(5, 6),
    )


def _receipt(receipt: Receipt) -> None:
    click.echo(
        f"{receipt.reason}: {receipt.memories} memories, {receipt.derived} derived from them;"
        f" {receipt.kept} stay, told by others."
    )
    for place, count in sorted(receipt.places.items()):
        click.echo(f"  {place}: {count}")
    click.echo(f"Receipt {receipt.id}, sha256 of the ids {receipt.ids_sha256}")
    for name, why in receipt.failed.items():
        note(f"{name} could not remove its part: {why} Give the order again.")
