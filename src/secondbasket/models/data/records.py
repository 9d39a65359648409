"""Versions of data sets in the database, their rows, and what was made of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from secondbasket.core.clock import now
from secondbasket.core.data_set import DataErased, DataRow, DataVersion
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.stores.database import Database
from secondbasket.stores.schema import data_erasures, data_rows, data_uses, data_versions

_content = msgspec.json.Decoder(dict[str, Any])
_findings = msgspec.json.Decoder(dict[str, int])
_BATCH = 5_000
_SHORTEST_DIGEST = 6


class DataRecords:
    """A version is written once. Only removal and erasure take rows away, and then all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, version: DataVersion, rows: Sequence[DataRow]) -> DataVersion:
        """The version as it stands: one that was there before is the same one. Raises StoreError,
        and InvalidRequest where it was erased."""

        def work(connection: Connection) -> DataVersion:
            found = _version(connection, version.name, version.digest)
            if found is None:
                _write(connection, version, rows)
                return version
            if found.erased_by:
                raise InvalidRequest(
                    f"These rows were erased from '{version.name}' by {found.erased_by}.",
                    hint="Leave out what was erased, and import the rest.",
                )
            return found

        return await self._database.write(work)

    async def versions(self, name: str | None = None) -> list[DataVersion]:
        """The oldest first."""
        query = select(data_versions).order_by(
            data_versions.c.name, data_versions.c.created_at, data_versions.c.digest
        )
        if name is not None:
            query = query.where(data_versions.c.name == name)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_told(row) for row in rows]

    async def find(self, reference: str) -> DataVersion:
        """The version that `NAME` (its newest with rows) or `NAME@DIGEST` (begun) is.

        Raises NotFound.
        """
        name, _, wanted = reference.partition("@")
        wanted = wanted.removeprefix("sha256:")
        found = await self.versions(name)
        if wanted:
            fitting = [each for each in found if each.digest[7:].startswith(wanted)]
            if len(wanted) < _SHORTEST_DIGEST or len(fitting) > 1:
                raise InvalidRequest(f"'{reference[:100]}' is too short to name one version.")
        else:
            fitting = [each for each in found if not each.erased_by][-1:] or found[-1:]
        if not fitting:
            raise NotFound(
                f"There is no data set '{reference[:100]}'.", hint="`basket data list` shows all."
            )
        return fitting[0]

    async def rows(self, version: DataVersion) -> list[DataRow]:
        """In order. Raises NotFound where they were erased."""
        if version.erased_by:
            raise NotFound(
                f"The rows of {version.name}@{version.digest[7:19]} were erased.",
                hint=f"The receipt is {version.erased_by}.",
            )
        query = (
            select(data_rows)
            .where(data_rows.c.name == version.name, data_rows.c.version == version.digest)
            .order_by(data_rows.c.position)
        )
        found = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_row(each) for each in found]

    async def remove(self, version: DataVersion) -> None:
        """Take one version away, as if it had never been."""

        def work(connection: Connection) -> None:
            connection.execute(_of(data_rows.c.name, data_rows.c.version, version))
            connection.execute(_of(data_versions.c.name, data_versions.c.digest, version))

        await self._database.write(work)
        await self._database.scrub()

    async def use(self, digest: str, kind: str, used_by: str) -> None:
        """Put down that `used_by` ('adapter', 'eval') was made of a version, once."""
        row = {"version": digest, "kind": kind, "used_by": used_by, "at": now()}
        statement = self._database.insert(data_uses).on_conflict_do_nothing()
        await self._database.write(lambda c: c.execute(statement, row))

    async def uses(self, digests: Sequence[str]) -> list[str]:
        """What was made of these versions, as KIND:NAME."""
        query = (
            select(data_uses.c.kind, data_uses.c.used_by)
            .where(data_uses.c.version.in_(digests))
            .distinct()
            .order_by(data_uses.c.kind, data_uses.c.used_by)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [f"{kind}:{used_by}" for kind, used_by in rows]

    async def replace(
        self,
        receipt: DataErased,
        gone: Sequence[DataVersion],
        made: Sequence[tuple[DataVersion, Sequence[DataRow]]],
    ) -> None:
        """In one transaction: the rows of `gone` leave, `made` are there, the receipt is kept."""

        def work(connection: Connection) -> None:
            for version in gone:
                connection.execute(_of(data_rows.c.name, data_rows.c.version, version))
                connection.execute(
                    update(data_versions)
                    .where(
                        data_versions.c.name == version.name,
                        data_versions.c.digest == version.digest,
                    )
                    .values(erased_by=receipt.id)
                )
            for version, rows in made:
                if _version(connection, version.name, version.digest) is None:
                    _write(connection, version, rows)
            row = {"id": receipt.id, "at": receipt.at, "receipt": _text(receipt)}
            connection.execute(insert(data_erasures), row)

        await self._database.write(work)
        await self._database.scrub()


def _write(connection: Connection, version: DataVersion, rows: Sequence[DataRow]) -> None:
    told = msgspec.structs.asdict(version)
    connection.execute(insert(data_versions), {**told, "findings": _text(version.findings)})
    for batch in _batches(version, rows):
        connection.execute(insert(data_rows), batch)


def _batches(version: DataVersion, rows: Sequence[DataRow]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), _BATCH):
        yield [
            {
                "name": version.name,
                "version": version.digest,
                "position": position,
                "digest": row.digest,
                "source": row.source,
                "place": row.place,
                "content": _text(row.content),
            }
            for position, row in enumerate(rows[start : start + _BATCH], start=start)
        ]


def _of(name: Any, digest: Any, version: DataVersion) -> Any:
    return delete(name.table).where(name == version.name, digest == version.digest)


def _version(connection: Connection, name: str, digest: str) -> DataVersion | None:
    query = select(data_versions).where(
        data_versions.c.name == name, data_versions.c.digest == digest
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _told(row)


def _told(row: RowMapping) -> DataVersion:
    return DataVersion(**{**row, "findings": _findings.decode(row["findings"])})


def _row(row: RowMapping) -> DataRow:
    return DataRow(
        content=_content.decode(row["content"]),
        digest=row["digest"],
        source=row["source"],
        place=row["place"],
    )


def _text(value: Mapping[str, Any] | DataErased) -> str:
    return msgspec.json.encode(value).decode()
