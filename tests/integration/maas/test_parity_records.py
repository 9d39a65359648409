"""Parity runs in both databases."""

import msgspec
import pytest

from secondbasket.errors import NotFound
from secondbasket.maas.parity.records import ParityRecords
from secondbasket.maas.parity.results import CaseResult, KindScore, ParityRun, UpstreamParity
from secondbasket.stores.database import Database

pytestmark = pytest.mark.anyio

CASE = CaseResult(
    id="Größe", line=3, kind="exact", outcome="failed", why="it is none of the 2 answers", cost=7,
    first_token_ms=12.5, duration_ms=40.25, request_id="req_1", answer="A secret answer",
)  # fmt: skip
MEASURED = UpstreamParity(
    upstream="z", state="measured", model="m", digest="sha256:1", engine="e", law="FR", passed=3,
    total=4, score=0.75, low=0.3, high=0.95, kinds=(KindScore("exact", 3, 4),), cost=7,
    cases=(CASE,),
)  # fmt: skip


def run(number: int, *upstreams: UpstreamParity, basket: str = "b") -> ParityRun:
    return ParityRun(
        id=f"parity_{number}",
        at=f"2026-11-24T10:00:{number:02d}.000Z",
        basket=basket,
        evals="cases.jsonl",
        evals_digest="sha256:e",
        judge=None,
        data_class="internal",
        currency="EUR",
        floor=0.8,
        complete=True,
        cost=7,
        upstreams=upstreams or (MEASURED,),
    )


async def test_a_run_comes_back_as_it_was_without_what_was_answered(database: Database) -> None:
    records = ParityRecords(database)
    absent = UpstreamParity(upstream="a", state="absent", reason="not served here")
    whole = run(1, MEASURED, absent)
    await records.add(whole)
    found = await records.find("parity_1")
    kept = msgspec.structs.replace(MEASURED, cases=(msgspec.structs.replace(CASE, answer=""),))
    assert found == msgspec.structs.replace(whole, upstreams=(kept, absent))
    with pytest.raises(NotFound, match="no parity run 'parity_2'"):
        await records.find("parity_2")


async def test_runs_are_listed_newest_first(database: Database) -> None:
    records = ParityRecords(database)
    for number in (2, 1, 3):
        await records.add(run(number, basket="c" if number == 2 else "b"))
    assert [each.id for each in await records.list()] == ["parity_3", "parity_2", "parity_1"]
    assert [each.id for each in await records.list(limit=2)] == ["parity_3", "parity_2"]
    assert [each.id for each in await records.list(basket="c")] == ["parity_2"]
    assert await records.list(basket="d") == []


async def test_the_latest_whole_measurement_of_each_upstream_is_what_counts(
    database: Database,
) -> None:
    records = ParityRecords(database)
    incomplete = msgspec.structs.replace(MEASURED, state="incomplete", score=None)
    better = msgspec.structs.replace(MEASURED, score=1.0, digest="sha256:2")
    other = msgspec.structs.replace(MEASURED, upstream="y", score=0.25)
    await records.add(run(1, MEASURED, other))
    await records.add(run(2, better))
    await records.add(run(3, incomplete))
    await records.add(msgspec.structs.replace(run(4), evals_digest="sha256:f"))
    found = {(each.upstream, each.evals_digest): each for each in await records.measurements()}
    assert len(await records.measurements()) == 3
    assert (found["z", "sha256:e"].score, found["z", "sha256:e"].digest) == (1.0, "sha256:2")
    assert found["y", "sha256:e"].score == 0.25
    assert found["z", "sha256:f"].score == 0.75
    assert found["z", "sha256:e"].at - found["y", "sha256:e"].at == 1.0
