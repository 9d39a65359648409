"""`basket documents`: the company's files, to be found by what they say."""

from contextlib import aclosing
from pathlib import Path

import anyio
import click

from secondbasket.cli.connection import call, connect
from secondbasket.cli.files_progress import FilesProgress
from secondbasket.cli.output import emit, json_option, moment, note, printable, size, table
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import (
    DEFAULT_COLLECTION,
    Answer,
    Collection,
    Document,
    Erased,
    Found,
    Ingested,
)
from secondbasket.errors import DocumentError, InvalidRequest, UpstreamBroken
from secondbasket.server.admin.words import AddDocuments, EraseDocuments, SearchDocuments

_LONGEST_SHOWN = 400


@click.group()
def command() -> None:
    """Add, list, search and erase the company's documents.

    Workers find them by the same search, and cite what they found.
    """


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--collection", default=DEFAULT_COLLECTION, show_default=True, help="Where to put them."
)
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass]),
    help="The class of a new collection, and of all that is found in it; internal when not given.",
)
@json_option
def add(paths: tuple[Path, ...], collection: str, data_class: str | None, as_json: bool) -> None:
    """Read files and folders: PDF, DOCX, XLSX, PPTX, HTML, Markdown, plain text and mail (.eml).

    What was read before and is unchanged is not read again; what changed takes the place of what it
    was; what is gone from a folder is removed. A file that cannot be read is named, and costs no
    other; the exit status is then 1.
    """
    order = AddDocuments(
        paths=tuple(str(path.resolve()) for path in paths),
        collection=collection,
        data_class=data_class,
    )
    done = anyio.run(_add, order)
    if as_json:
        emit(done)
    else:
        click.echo(
            f"{done.collection}: {done.added} added, {done.changed} changed,"
            f" {done.unchanged} unchanged, {done.removed} removed;"
            f" {done.passages} new passages."
        )
        if done.skipped:
            note(f"{done.skipped} files of other kinds were left out.")
    if done.unreadable:
        for each in done.unreadable:
            note(f"{each.problem} {each.hint}".strip())
        raise DocumentError(
            f"{len(done.unreadable)} of the files could not be read, as told above."
        )


async def _add(order: AddDocuments) -> Ingested:
    with FilesProgress() as progress:
        async with (
            connect(engines=True) as server,
            aclosing(server.follow("documents", order)) as steps,
        ):
            async for step in steps:
                if step.ingested is not None:
                    return step.ingested
                if step.read is not None:
                    progress.show(step.read)
    raise UpstreamBroken("The server ended in the middle of its answer.")


@command.command(name="list")
@click.option(
    "--collection", help="List the documents of this one; all collections when not given."
)
@json_option
def listing(collection: str | None, as_json: bool) -> None:
    """List the collections, or the documents of one."""
    if collection is None:
        _collections(call(lambda server: server.get("collections", list[Collection])), as_json)
        return
    found = call(lambda server: server.get("documents", list[Document], collection=collection))
    if as_json:
        emit(found)
    else:
        table(
            ("DOCUMENT", "KIND", "SIZE", "PASSAGES", "ADDED", "SOURCE"),
            [
                (
                    each.id,
                    each.kind,
                    size(each.size),
                    str(each.passages),
                    moment(each.added_at),
                    each.source,
                )
                for each in found
            ],
            right=(2, 3),
        )


def _collections(found: list[Collection], as_json: bool) -> None:
    if as_json:
        emit(found)
    elif not found:
        click.echo("There are no documents yet; `basket documents add FOLDER` reads some.")
    else:
        table(
            ("COLLECTION", "CLASS", "DOCUMENTS", "PASSAGES", "VECTORS OF"),
            [
                (
                    each.name,
                    each.data_class,
                    str(each.documents),
                    str(each.passages),
                    each.embedding,
                )
                for each in found
            ],
            right=(2, 3),
        )


@command.command()
@click.argument("question")
@click.option("--collection", multiple=True, help="Search this one only; may be given again.")
@click.option("--limit", type=click.IntRange(1, 50), default=5, help="How many, at most.")
@json_option
def search(question: str, collection: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find the passages that answer QUESTION best, by their words and by their meaning."""
    order = SearchDocuments(question=question, collections=collection or None, limit=limit)
    answer = anyio.run(_search, order)
    if as_json:
        emit(answer)
        return
    if answer.note:
        note(f"By words alone: {answer.note}")
    if not answer.found:
        click.echo("Nothing was found.")
    for number, each in enumerate(answer.found, 1):
        _show(number, each)


async def _search(order: SearchDocuments) -> Answer:
    async with connect(engines=True) as server:
        return await server.post("documents/search", Answer, order)


def _show(number: int, found: Found) -> None:
    place = f", {found.place}" if found.place else ""
    click.secho(printable(f"{number}. {found.source}{place}"), bold=True)
    note(f"   {found.collection} ({found.data_class}), score {found.score:.4f}")
    text = " ".join(found.text.split())
    if len(text) > _LONGEST_SHOWN:
        text = f"{text[:_LONGEST_SHOWN]}…"
    click.echo(printable(f"   {text}\n"))


@command.command()
@click.argument("what", required=False, metavar="[DOCUMENT|FILE|FOLDER]")
@click.option("--collection", default=DEFAULT_COLLECTION, show_default=True, help="Where it is.")
@click.option("--all", "whole", is_flag=True, help="Erase the whole collection.")
@json_option
def rm(what: str | None, collection: str, whole: bool, as_json: bool) -> None:
    """Erase a document, all below a folder, or with --all a collection; the files stay.

    Passages, their vectors, and what the word index has of them go with it; the answer says how
    many.
    """
    if (what is None) != whole:
        raise InvalidRequest("Say what to erase: a document, a file, a folder, or --all.")
    wanted = None if what is None else _named(what)
    order = EraseDocuments(collection=collection, wanted=wanted)
    erased = call(lambda server: server.post("documents/erase", Erased, order))
    if as_json:
        emit(erased)
    else:
        click.echo(
            f"{len(erased.sources)} documents are erased from {erased.collection}:"
            f" {erased.passages} passages, {erased.vectors} vectors,"
            f" {erased.words} entries of the word index."
        )


def _named(what: str) -> str:
    """An id as it is, and what may be a path as it was stored."""
    return what if what.startswith("doc_") else str(Path(what).resolve())
