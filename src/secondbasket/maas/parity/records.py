"""Parity runs in the database: the memory that standing is read from at start."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select

from secondbasket.core.clock import parse
from secondbasket.errors import NotFound
from secondbasket.maas.parity.results import ParityRun, UpstreamParity
from secondbasket.maas.parity.standing import Measurement
from secondbasket.stores.database import Database
from secondbasket.stores.schema import parity_runs as table

_upstream = msgspec.json.Decoder(UpstreamParity)
_run = msgspec.json.Decoder(ParityRun)


class ParityRecords:
    """What was answered is not kept: only whether each answer would do, and what it cost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, run: ParityRun) -> None:
        """Raises StoreError."""
        # The upstreams' order and no more of them: each has a row of its own.
        names = tuple(UpstreamParity(upstream=e.upstream, state=e.state) for e in run.upstreams)
        common = msgspec.json.encode(msgspec.structs.replace(run, upstreams=names)).decode()
        rows = [
            {
                "run_id": run.id,
                "upstream": each.upstream,
                "at": run.at,
                "basket": run.basket,
                "evals_digest": run.evals_digest,
                "model": each.model,
                "digest": each.digest,
                "score": each.score,
                "run": common,
                "result": msgspec.json.encode(_kept(each)).decode(),
            }
            for each in run.upstreams
        ]
        await self._database.write(lambda connection: connection.execute(insert(table), rows))

    async def measurements(self) -> list[Measurement]:
        """The latest of each upstream, by basket and evaluation."""
        columns = (table.c.basket, table.c.upstream, table.c.evals_digest)
        latest = (
            select(*columns, func.max(table.c.at).label("at"))
            .where(table.c.score.is_not(None))
            .group_by(*columns)
            .subquery()
        )
        query = (
            select(*columns, table.c.at, table.c.model, table.c.digest, table.c.score)
            .join(
                latest,
                (table.c.basket == latest.c.basket)
                & (table.c.upstream == latest.c.upstream)
                & (table.c.evals_digest == latest.c.evals_digest)
                & (table.c.at == latest.c.at),
            )
            .where(table.c.score.is_not(None))
        )
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [
            Measurement(
                basket=row["basket"],
                upstream=row["upstream"],
                model=row["model"],
                digest=row["digest"],
                evals_digest=row["evals_digest"],
                at=parse(row["at"]).timestamp(),
                score=row["score"],
            )
            for row in rows
        ]

    async def list(self, *, basket: str | None = None, limit: int = 20) -> list[ParityRun]:
        """The latest runs, newest first, without their cases."""

        def fetch(connection: Connection) -> Sequence[RowMapping]:
            runs = select(table.c.run_id, func.max(table.c.at).label("at")).group_by(table.c.run_id)
            if basket is not None:
                runs = runs.where(table.c.basket == basket)
            latest = runs.order_by(func.max(table.c.at).desc(), table.c.run_id.desc()).limit(limit)
            names = [row["run_id"] for row in connection.execute(latest).mappings()]
            rows = select(table).where(table.c.run_id.in_(names))
            ordered = rows.order_by(table.c.at.desc(), table.c.run_id.desc())
            return connection.execute(ordered).mappings().all()

        runs = _runs(await self._database.read(fetch))
        return [_without_cases(run) for run in runs]

    async def find(self, run_id: str) -> ParityRun:
        """Raises NotFound."""
        query = select(table).where(table.c.run_id == run_id)
        runs = _runs(await self._database.read(lambda c: c.execute(query).mappings().all()))
        if not runs:
            raise NotFound(
                f"There is no parity run '{run_id[:64]}'.", hint="`basket parity list` lists them."
            )
        return runs[0]


def _kept(upstream: UpstreamParity) -> UpstreamParity:
    cases = tuple(msgspec.structs.replace(each, answer="") for each in upstream.cases)
    return msgspec.structs.replace(upstream, cases=cases)


def _runs(rows: Sequence[RowMapping]) -> list[ParityRun]:
    """Runs in the order of their rows."""
    found: dict[str, tuple[str, dict[str, UpstreamParity]]] = {}
    for row in rows:
        _, results = found.setdefault(row["run_id"], (row["run"], {}))
        results[row["upstream"]] = _upstream.decode(row["result"])
    runs = []
    for common, results in found.values():
        run = _run.decode(common)
        upstreams = tuple(results[each.upstream] for each in run.upstreams)
        runs.append(msgspec.structs.replace(run, upstreams=upstreams))
    return runs


def _without_cases(run: ParityRun) -> ParityRun:
    upstreams = tuple(msgspec.structs.replace(each, cases=()) for each in run.upstreams)
    return msgspec.structs.replace(run, upstreams=upstreams)
