"""A month of a thousand events: how clean memory is after it, and whether it answers what is so.

The real embedding model, the real detectors, SQLite on disk. Counted are the
memories that are present at the end, against what the month's script knows.
"""

import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
from sqlalchemy import Connection, select

from bench.month import EVENTS, Event, Month
from bench.phrases import UNSEEN
from bench.processes import WORK
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.memory.memory import Memory, Remembered
from secondbasket.apps.memory.statement import Correction, Statement
from secondbasket.apps.memory.vectors import Embedder
from secondbasket.apps.memory.words import normal
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from secondbasket.policy.classification import Classification
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.texts import Texts
from secondbasket.stores.database import Database
from secondbasket.stores.schema import metadata
from tools.locks import ROOT

UNSEEN_BY_BOTH = "unseen phrases, words and vectors"
MODEL = "all-minilm-l6-v2"
_MODELS = ROOT / ".cache" / "home" / "models"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One month lived. `present` memories of which `junk` are not worth keeping and `duplicates`
    say what another does; `mixed` hold two different things.

    `told` tellings were worth keeping, `lost` of them were refused. Of `lines` facts at the end,
    `superseded` of them changed before, `stale` answered with anything but their present value;
    of `erased` values, `found` could still be found anywhere.
    """

    events: int
    told: int
    lost: int
    present: int
    junk: int
    duplicates: int
    mixed: int
    lines: int
    superseded: int
    stale: int
    erased: int
    found: int
    remember_ms: float
    recall_ms: float

    @property
    def unclean(self) -> float:
        """The share of what is present that is junk or a duplicate."""
        return (self.junk + self.duplicates) / self.present


class Result(msgspec.Struct, frozen=True):
    """One outcome for each set of phrases and way of comparing."""

    outcomes: dict[str, Outcome]


@dataclass
class _Lived:
    """What came of the events: who is told by which memory."""

    events: defaultdict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    told: int = 0
    lost: list[Event] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


async def live(memories: Memories, database: Database, month: Month) -> Outcome:
    """Tell `memories` of every event of the month, and count what is there at its end."""
    lived = _Lived()
    for event in month.events:
        if event.what == "erase":
            await memories.erase(event.source)
        elif event.what == "correct":
            await _correct(memories, event, lived)
        else:
            await _tell(memories, event, lived)
    end = month.events[-1].at
    present = await memories.listing(limit=1_000)
    told = {each.id: lived.events[each.id] for each in present}
    says = {memory_id: _sayings(events) for memory_id, events in told.items()}
    seen: set[str] = set()
    duplicates = 0
    for memory_id in sorted(says):
        duplicates += bool(says[memory_id] & seen)
        seen |= says[memory_id]
    superseded = month.truth.superseded()
    stale, recall_ms = await _stale(memories, month, end)
    gone = month.truth.gone()
    return Outcome(
        events=len(month.events),
        told=lived.told,
        lost=len(lived.lost),
        present=len(present),
        junk=sum(not each for each in says.values()),
        duplicates=duplicates,
        mixed=sum(len(each) > 1 for each in says.values()),
        lines=len(month.truth.present()),
        superseded=len(superseded),
        stale=len(stale),
        erased=len(gone),
        found=len(await _findable(memories, database, gone)),
        remember_ms=statistics.median(lived.seconds) * 1000,
        recall_ms=recall_ms,
    )


async def _tell(memories: Memories, event: Event, lived: _Lived) -> None:
    begun = time.perf_counter()
    kept = await memories.remember(_statement(event), prompt=event.prompt, at=event.at)
    lived.seconds.append(time.perf_counter() - begun)
    _note(event, kept, lived)


def _note(event: Event, kept: Remembered, lived: _Lived) -> None:
    if kept.id is not None and kept.outcome != "contested":
        lived.events[kept.id].append(event)
    if event.says is not None:
        lived.told += 1
        if kept.outcome == "refused":
            lived.lost.append(event)


async def _correct(memories: Memories, event: Event, lived: _Lived) -> None:
    assert event.line is not None
    subject, predicate = event.line
    held = [
        each for each in await memories.listing(limit=1_000) if _is_about(each, subject, predicate)
    ]
    if held:
        done = await memories.correct(held[0].id, Correction(by=event.source, object=event.object))
        lived.events[done.memory.id].append(event)


def _statement(event: Event) -> Statement:
    return Statement(
        kind=event.kind,
        sources=(event.source,),
        text=event.text,
        subject=event.subject,
        predicate=event.predicate,
        object=event.object,
    )


def _sayings(events: Sequence[Event]) -> set[str]:
    return {event.says for event in events if event.says is not None}


def _is_about(memory: Memory, subject: str, predicate: str) -> bool:
    return normal(memory.subject) == normal(subject) and normal(memory.predicate) == normal(
        predicate
    )


async def _stale(memories: Memories, month: Month, at: str) -> tuple[list[tuple[str, str]], float]:
    """Lines whose question is not answered with the present value alone, and a recall's median."""
    stale, seconds = [], []
    for (subject, predicate), value in month.truth.present().items():
        begun = time.perf_counter()
        found = await memories.recall(
            f"{subject} {predicate}", at=at, worker=None, most_class=DataClass.CONFIDENTIAL
        )
        seconds.append(time.perf_counter() - begun)
        answers = [
            each.memory.object
            for each in found
            if normal(each.memory.subject) == normal(subject)
            and _same_line(each.memory, month, (subject, predicate))
        ]
        if not answers or set(answers) != {value}:
            stale.append((subject, predicate))
    return stale, statistics.median(seconds) * 1000


def _same_line(memory: Memory, month: Month, line: tuple[str, str]) -> bool:
    """Is its object a value that the line ever had, under whatever name of the predicate?"""
    return memory.object in month.truth.values(line)


async def _findable(memories: Memories, database: Database, gone: set[str]) -> set[str]:
    """Those of the erased values that any row of any table holds, or that recall answers with."""

    def cells(connection: Connection) -> set[str]:
        texts: set[str] = set()
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                texts.update(each for each in row if isinstance(each, str))
        return texts

    held = "\n".join(await database.read(cells))
    found = {value for value in gone if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", held)}
    for value in gone:
        answers = await memories.recall(
            value, worker=None, most_class=DataClass.SECRET, limit=50, count=False
        )
        if any(value in (each.memory.object, each.memory.text) for each in answers):
            found.add(value)
    return found


def embedder(models: Path = _MODELS) -> Embedder:
    """The default embedding model in this process, from a folder as a home has it."""
    from secondbasket.cloud.engines.onnx_model import EmbeddingModel  # noqa: PLC0415 - heavy

    store = Store(models)
    record = Registry(models / "manifests").get(MODEL)
    files = {file.name: store.path_of(file.sha256) for file in record.files}
    model = EmbeddingModel(
        weights=files["model.onnx"],
        tokenizer=files["tokenizer.json"],
        context_tokens=512,
        threads=1,
    )

    async def embed(texts: Sequence[str], _data_class: DataClass) -> Sequence[Sequence[float]]:
        return [[float(x) for x in row] for row in model.vectors(model.tokens(list(texts)))]

    return Embedder(model=MODEL, embed=embed)


def memories_over(database: Database, embedder: Embedder | None) -> Memories:
    """Memory with the real detectors and no listeners."""
    policy = Policy(detectors=load_detectors().values())

    async def classify(text: str, data_class: DataClass) -> Classification:
        return policy.classify(Texts(text), {"memory": data_class})

    decisions: list[Decision] = []
    return Memories(database, classify=classify, record=decisions.append, embedder=embedder)


async def lived(month: Month, embedder: Embedder | None) -> Outcome:
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        database = Database(f"sqlite:///{folder}/basket.db")
        await database.migrate()
        outcome = await live(memories_over(database, embedder), database, month)
        database.close()
        return outcome


def run(*, events: int = EVENTS) -> Result:
    vectors = embedder()
    return Result(
        {
            UNSEEN_BY_BOTH: anyio.run(lived, Month(events, phrases=UNSEEN), vectors),
            "unseen phrases, words alone": anyio.run(lived, Month(events, phrases=UNSEEN), None),
            "phrases the rules were made with": anyio.run(lived, Month(events), vectors),
        }
    )
