"""Data sets as operators handle them: imported, checked, split, redacted, erased."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import anyio

from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.data_set import DataChecked, DataErased, DataRow, DataVersion
from secondbasket.core.decision import Decision
from secondbasket.core.ids import new_id
from secondbasket.errors import Conflict, DigestMismatch, InvalidRequest, NotFound
from secondbasket.models.data.findings import Findings
from secondbasket.models.data.readers import Columns, read_rows
from secondbasket.models.data.records import DataRecords
from secondbasket.models.data.rows import answer_of, digest_of, row_of, texts_of, version_digest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]|[a-z0-9]")
_SHORTEST_SUBJECT = 3
_UNREACHED = (
    "backups made before: they hold the rows until they are deleted",
    "weights: what a model learned of the rows stays in every adapter named until it is retrained",
    "files that the rows were imported from, and exports: they are not ours to delete",
)


class DataDesk:
    """`findings` looks for personal data and secrets; `record` keeps decisions."""

    def __init__(
        self,
        records: DataRecords,
        findings: Findings,
        *,
        record: Callable[[Decision], None],
    ) -> None:
        self._records = records
        self._findings = findings
        self._record = record

    async def take(
        self, path: Path, name: str, columns: Columns, data_class: DataClass
    ) -> DataVersion:
        """Import a file as a version of `name`. Raises InvalidRequest naming what is wrong."""
        _require_name(name)
        rows = await anyio.to_thread.run_sync(read_rows, path, columns)
        return await self.add(name, rows, made_by="import", data_class=data_class)

    async def add(
        self,
        name: str,
        rows: Sequence[DataRow],
        *,
        made_by: str,
        data_class: DataClass,
        parent: str = "",
    ) -> DataVersion:
        """Keep `rows` as a version; its class is `data_class` or what detectors raise it to."""
        _require_name(name)
        if not rows:
            raise InvalidRequest(f"No rows are left for '{name}'.")
        version = await anyio.to_thread.run_sync(
            partial(self._version, name, rows, made_by, data_class, parent)
        )
        return await self._records.add(version, rows)

    def _version(
        self, name: str, rows: Sequence[DataRow], made_by: str, data_class: DataClass, parent: str
    ) -> DataVersion:
        found: Counter[str] = Counter()
        for row in rows:
            found.update(self._findings.count(texts_of(row.content)))
        return DataVersion(
            name=name,
            digest=version_digest(rows),
            created_at=now(),
            rows=len(rows),
            data_class=max(data_class, self._findings.highest(found)).label,
            made_by=made_by,
            parent=parent,
            findings=dict(found),
        )

    async def versions(self) -> Sequence[DataVersion]:
        return await self._records.versions()

    async def find(self, reference: str) -> DataVersion:
        """Raises NotFound. A reference is NAME, or NAME@ and the beginning of a digest."""
        return await self._records.find(reference)

    async def rows(self, reference: str) -> Sequence[DataRow]:
        """Raises NotFound."""
        return await self._records.rows(await self.find(reference))

    async def used(self, reference: str, kind: str, used_by: str) -> None:
        """Put down that an adapter or an eval was made of a version: erasure then names it."""
        version = await self.find(reference)
        await self._records.use(version.digest, kind, used_by)

    async def verify(self, reference: str) -> DataVersion:
        """Read every row again. Raises DigestMismatch naming the first that is not what it was."""
        version = await self.find(reference)
        rows = await self._records.rows(version)
        for number, row in enumerate(rows, start=1):
            if digest_of(row.content) != row.digest:
                raise DigestMismatch(
                    f"Row {number} of {version.name} ({row.place}) is not what was imported.",
                    hint="Import it again; a version never changes.",
                )
        if version_digest(rows) != version.digest:
            raise DigestMismatch(
                f"{version.name} has other rows than were imported: {len(rows)} of {version.rows}.",
                hint="Import it again; a version never changes.",
            )
        return version

    async def remove(self, reference: str) -> DataVersion:
        """Raises Conflict where something was made of it: its lineage would end in nothing."""
        version = await self.find(reference)
        uses = await self._records.uses([version.digest])
        if uses:
            raise Conflict(
                f"{version.name} is what {', '.join(uses[:5])} was made of.",
                hint="Remove that first, or erase: `basket data erase` leaves a receipt.",
            )
        await self._records.remove(version)
        return version

    async def split(
        self,
        reference: str,
        *,
        share: float,
        seed: int,
        group: str | None,
        time: str | None,
    ) -> tuple[DataVersion, DataVersion]:
        """NAME-train and NAME-held-out. Raises InvalidRequest where they could not but leak."""
        # Here, for the memory of numpy: most servers never split anything.
        from secondbasket.models.data.splits import split_rows  # noqa: PLC0415 - as told

        version = await self.find(reference)
        rows = await self._records.rows(version)
        sides = await anyio.to_thread.run_sync(
            partial(split_rows, rows, share=share, seed=seed, group=group, time=time)
        )
        made = [
            await self.add(
                f"{version.name}-{side}",
                [rows[at] for at in chosen],
                made_by=f"split {side}, seed {seed}",
                data_class=DataClass.parse(version.data_class),
                parent=version.digest,
            )
            for side, chosen in zip(("train", "held-out"), sides, strict=True)
        ]
        return made[0], made[1]

    async def check(self, reference: str, against: Sequence[str]) -> DataChecked:
        """What is wrong with its rows; `against` are eval sets that must not be in it."""
        # Here, for the memory of numpy.
        from secondbasket.models.data.checks import faults_of  # noqa: PLC0415 - as told

        version = await self.find(reference)
        rows = await self._records.rows(version)
        evals = {name: await self.rows(name) for name in against}
        faults = await anyio.to_thread.run_sync(faults_of, rows, evals)
        return DataChecked(
            name=version.name,
            digest=version.digest,
            rows=len(rows),
            answers=len({answer_of(row.content) for row in rows}),
            findings=version.findings,
            faults=faults,
        )

    async def redact(self, reference: str) -> tuple[DataVersion, Mapping[str, int]]:
        """A new version with marks in place of what detectors find, and how many by kind."""
        version = await self.find(reference)
        rows = await self._records.rows(version)
        taken: Counter[str] = Counter()
        redacted = await anyio.to_thread.run_sync(self._redacted, rows, taken)
        made = await self.add(
            version.name,
            redacted,
            made_by="redact",
            # What was found has left, and with it what raised the class; it is not lowered here.
            data_class=DataClass.parse(version.data_class),
            parent=version.digest,
        )
        return made, dict(taken)

    def _redacted(self, rows: Sequence[DataRow], taken: Counter[str]) -> list[DataRow]:
        made = []
        for row in rows:
            # Roles and names of fields are words of ours; what stands in them is looked at.
            content = self._findings.redact(row.content, taken)
            made.append(row_of(content, row.source, row.place))
        return made

    async def erase(self, *, subject: str | None, source: str | None) -> DataErased:
        """Take every row that names `subject`, or came from `source`, out of every version.

        A version with such a row is gone; the newest of each name gets one without it. Rows made
        of such a row (redacted ones) are known by where they came from. Raises NotFound where
        nothing has it.
        """
        wanted = _normal(subject or source or "")
        if (subject is None) == (source is None) or len(wanted) < _SHORTEST_SUBJECT:
            raise InvalidRequest(
                "Say what to erase: one subject, of three letters or more, or one source."
            )
        whole = {
            (each.name, each.digest): (each, await self._records.rows(each))
            for each in await self._records.versions()
            if not each.erased_by
        }
        hit = {
            (row.source, row.place)
            for _, rows in whole.values()
            for row in rows
            if (
                wanted in _normal(texts_of(row.content))
                if source is None
                else wanted in (row.source, row.source.partition(":")[2])
            )
        }
        gone: list[DataVersion] = []
        left: dict[str, tuple[DataVersion, list[DataRow]]] = {}
        for version, rows in whole.values():
            kept = [row for row in rows if (row.source, row.place) not in hit]
            if len(kept) == len(rows):
                left.pop(version.name, None)  # a later one is whole: nothing to make
                continue
            gone.append(version)
            left[version.name] = (version, kept)
        if not gone:
            raise NotFound("No data set has a row of it.")
        made = [
            (self._version(name, kept, "erase", DataClass.parse(was.data_class), was.digest), kept)
            for name, (was, kept) in left.items()
            if kept
        ]
        receipt = DataErased(
            id=new_id("erasure"),
            at=now(),
            subject=f"sha256:{sha256(wanted.encode()).hexdigest()}",
            rows=len(hit),
            versions=[_reference(each) for each in gone],
            made=[_reference(each) for each, _ in made],
            retrain=await self._records.uses([each.digest for each in gone]),
            unreached=_UNREACHED,
        )
        await self._records.replace(receipt, gone, made)
        self._record(
            Decision(
                kind="data_erased",
                subject=receipt.subject,
                outcome="done",
                detail={
                    "receipt": receipt.id,
                    "rows": str(receipt.rows),
                    "versions": ", ".join(receipt.versions)[:1000],
                    "retrain": ", ".join(receipt.retrain)[:1000],
                },
            )
        )
        return receipt


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"'{name[:64]}' is no name for a data set.",
            hint="Lower-case letters, digits, dots and dashes, 64 at most.",
            param="name",
        )


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _reference(version: DataVersion) -> str:
    return f"{version.name}@{version.digest}"
