"""Files into passages: each one for itself, so that a bad one costs no other."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import msgspec

from secondbasket.apps.documents import files
from secondbasket.apps.documents.embedding import Embed, packed
from secondbasket.apps.documents.reader import Reading, read
from secondbasket.apps.documents.records import DocumentRecords, NewContent
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Collection, FileRead, Ingested, Passage, Unreadable
from secondbasket.errors import BasketError, DocumentError

_TEXTS = 32  # of one call for vectors
_AT_A_TIME = 2  # files: while one is read, the vectors of the other are made

Report = Callable[[FileRead], None]
Gone = Callable[[str, Sequence[str]], Awaitable[None]]
"""Hears of sources of a collection whose content is not there any more."""


class _Taken(msgspec.Struct):
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    passages: int = 0


class Ingest:
    """Brings one collection in step with files; `gone` hears of what is no longer so."""

    def __init__(self, records: DocumentRecords, embed: Embed, gone: Gone) -> None:
        self._records = records
        self._embed = embed
        self._gone = gone

    async def run(self, collection: Collection, wanted: Sequence[str], report: Report) -> Ingested:
        """Read what is new or changed at `wanted`, and remove what is not there any more.

        `wanted` are absolute paths of files and folders. What cannot be read is
        told in the result; of a file that was read before, what it held then
        stays. Raises NotFound and InvalidRequest for the paths themselves.
        """
        found = await anyio.to_thread.run_sync(files.find, wanted)
        known = {each.source: each for each in await self._records.documents(collection.name)}
        taken, unreadable, done = _Taken(), [], 0
        left = iter(found.paths)

        async def turn() -> None:
            nonlocal done
            for path in left:
                source = str(path)
                before = known.get(source)
                try:
                    await self._take(
                        collection, path, None if before is None else before.sha256, taken
                    )
                except BasketError as error:
                    unreadable.append(
                        Unreadable(source=source, problem=error.message, hint=error.hint)
                    )
                done += 1
                report(FileRead(source=source, done=done, total=len(found.paths)))

        async with anyio.create_task_group() as tasks:
            for _ in range(_AT_A_TIME):
                tasks.start_soon(turn)
        removed = await self._remove(collection.name, found, set(known))
        return Ingested(
            collection=collection.name,
            added=taken.added,
            changed=taken.changed,
            unchanged=taken.unchanged,
            removed=removed,
            skipped=found.skipped,
            passages=taken.passages,
            unreadable=tuple(sorted(unreadable, key=lambda each: each.source)),
        )

    async def _take(
        self, collection: Collection, path: Path, before: str | None, taken: _Taken
    ) -> None:
        name, source = collection.name, str(path)
        with files.opened(path) as (file, told):
            sha256 = await anyio.to_thread.run_sync(files.sha256_of, file)
            if sha256 == before:
                taken.unchanged += 1
                return
            content = None
            if await self._records.has_content(name, sha256) is None:
                reading = await read(file, source)
                if files.changed(file, told):
                    raise DocumentError(
                        f"{source} was written to while it was read.", hint="Add it again."
                    )
                content = await self._content(collection, reading)
        await self._records.put(name, source, sha256=sha256, size=told.st_size, content=content)
        taken.passages += 0 if content is None else len(content.passages)
        if before is None:
            taken.added += 1
        else:
            taken.changed += 1
            await self._gone(name, [source])

    async def _content(self, collection: Collection, reading: Reading) -> NewContent:
        vectors: list[bytes] = []
        if collection.embedding:
            for at in range(0, len(reading.passages), _TEXTS):
                batch = [_meant(each) for each in reading.passages[at : at + _TEXTS]]
                made = await self._embed(batch, DataClass.parse(collection.data_class))
                vectors += map(packed, made)
        return NewContent(kind=reading.kind, passages=reading.passages, vectors=vectors)

    async def _remove(self, collection: str, found: files.Files, known: set[str]) -> int:
        """Erase what was read of the folders before and is not in them now."""
        here = {str(path) for path in found.paths}
        lost = [
            source
            for source in sorted(known - here)
            if any(folder in Path(source).parents for folder in found.folders)
        ]
        if lost:
            await self._records.remove(collection, lost, whole=False)
            await self._gone(collection, lost)
        return len(lost)


def _meant(passage: Passage) -> str:
    """What the vector of a passage is of: a text out of a chapter means more with its title."""
    return f"{passage.heading}\n{passage.text}" if passage.heading else passage.text
