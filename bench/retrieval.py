"""Are the right passages found, and how quickly: keyword search against hybrid search.

The real search over the real database and the real embedding model, asked through the gateway.
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from bench import questions
from bench.processes import WORK, Basket
from secondbasket.app import open_stack
from secondbasket.apps.documents.block import Block, passages
from secondbasket.apps.documents.embedding import Embed, GatewayEmbed, packed
from secondbasket.apps.documents.records import DocumentRecords, NewContent
from secondbasket.apps.documents.search import Search
from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Passage
from secondbasket.core.key import Key
from secondbasket.settings import read_settings
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home

MANY = 100_000
FIRST = 5
WAYS = ("words", "words and meaning")
_MODEL = "all-minilm-l6-v2"
_CONFIGURATION = """\
[models]
default_chat = ""
serve = []
[engine]
second = ""
"""
_TIMED = 200
_COLLECTION = "bench"
_TEXTS = 64
_A_DOCUMENT = 1000


class Result(msgspec.Struct, frozen=True):
    """`recall` is the share of questions with an answer among the first five, by way of ranking.
    `search_ms` is of each timed search over `MANY` passages, the vector of its question included;
    `words_ms` of the same by words alone; `first_s` of the first, which reads the vectors."""

    source: str
    documents: int
    questions: int
    passages: int
    recall: dict[str, float]
    search_ms: list[float]
    words_ms: list[float]
    first_s: float

    @property
    def closed(self) -> float:
        """How much of what keyword search leaves out hybrid search finds."""
        words, both = (self.recall[way] for way in WAYS)
        return (both - words) / (1 - words)


def run() -> Result:
    home = WORK / "retrieval"
    basket = Basket(home, _CONFIGURATION)
    basket.run("model", "pull", _MODEL)
    return asyncio.run(_run(home))


async def _run(home: Path) -> Result:
    asked = questions.load()
    async with _embedding(home) as embed:
        with _fresh(home / "found.db") as database:
            await database.migrate()
            records = DocumentRecords(database)
            count = await _fill(records, embed, asked.documents)
            search = Search(records, embed)
            recall = {way: await _recall(search, asked, meaning=way != "words") for way in WAYS}
        with _fresh(home / "many.db") as database:
            await database.migrate()
            records = DocumentRecords(database)
            await _fill_with_many(records, list(asked.documents.values()))
            search = Search(records, embed)
            sample = random.Random(0).choices([each.text for each in asked.questions], k=_TIMED)
            [first] = await _timed(search, sample[:1], meaning=True)
            search_ms = await _timed(search, sample, meaning=True)
            words_ms = await _timed(search, sample, meaning=False)
    return Result(
        source=asked.source,
        documents=len(asked.documents),
        questions=len(asked.questions),
        passages=count,
        recall=recall,
        search_ms=search_ms,
        words_ms=words_ms,
        first_s=first / 1000,
    )


def _fresh(file: Path) -> "_Closing":
    for each in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        each.unlink(missing_ok=True)
    return _Closing(Database(f"sqlite:///{file}"))


class _Closing:
    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


@asynccontextmanager
async def _embedding(home: Path) -> AsyncIterator[Embed]:
    """The embedding model behind a gateway of a whole stack."""
    settings = read_settings(home, {}).settings
    place = Home(home)
    with place.lock("bench"):
        async with open_stack(settings, os.environ, engines=True, reread=lambda: settings) as stack:
            await stack.local_models.settled()
            yield GatewayEmbed(
                stack.gateway,
                baskets=stack.baskets,
                basket=_MODEL,
                key=Key(
                    id="key_bench",
                    name="bench",
                    role="user",
                    budget=None,
                    currency=settings.prices.currency,
                    created_at=now(),
                ),
                settled=stack.local_models.settled,
            )


async def _fill(records: DocumentRecords, embed: Embed, documents: Mapping[str, str]) -> int:
    """Every document in passages, as an ingest makes them of a text; how many there are."""
    await records.create(_COLLECTION, DataClass.PUBLIC, _MODEL)
    pieces = {name: list(passages(Block("", text))) for name, text in documents.items()}
    flat = [each for several in pieces.values() for each in several]
    vectors: list[bytes] = []
    for at in range(0, len(flat), _TEXTS):
        texts = [each.text for each in flat[at : at + _TEXTS]]
        vectors += map(packed, await embed(texts, DataClass.PUBLIC))
    taken = 0
    for name, several in pieces.items():
        await _put(records, name, several, vectors[taken : taken + len(several)])
        taken += len(several)
    return len(flat)


async def _put(
    records: DocumentRecords, name: str, several: Sequence[Passage], vectors: Sequence[bytes]
) -> None:
    await records.put(
        _COLLECTION,
        name,
        sha256=sha256(name.encode()).hexdigest(),
        size=sum(len(each.text) for each in several),
        content=NewContent(kind="text", passages=several, vectors=vectors),
    )


async def _recall(search: Search, asked: questions.Questions, *, meaning: bool) -> float:
    hits = 0
    for each in asked.questions:
        answer = await search.search(each.text, limit=FIRST, meaning=meaning)
        assert not answer.note, answer.note
        hits += any(found.source in each.answers for found in answer.found)
    return hits / len(asked.questions)


async def _fill_with_many(records: DocumentRecords, texts: Sequence[str]) -> None:
    """`MANY` passages of about six hundred letters, of the words of real texts, with vectors drawn
    at random: neither ranking is any quicker for it."""
    await records.create(_COLLECTION, DataClass.PUBLIC, _MODEL)
    chance = random.Random(0)
    drawn = np.random.default_rng(0)
    for number in range(MANY // _A_DOCUMENT):
        several = [
            Passage("", "", f"{_half(chance, texts)} {_half(chance, texts)}")
            for _ in range(_A_DOCUMENT)
        ]
        rows = drawn.standard_normal((_A_DOCUMENT, 384), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        await _put(records, f"many-{number}", several, [row.tobytes() for row in rows])


def _half(chance: random.Random, texts: Sequence[str]) -> str:
    text = chance.choice(texts)
    begin = chance.randrange(max(1, len(text) - 300))
    return text[begin : begin + 300]


async def _timed(search: Search, texts: Sequence[str], *, meaning: bool) -> list[float]:
    taken = []
    for text in texts:
        began = time.perf_counter()
        await search.search(text, limit=FIRST, meaning=meaning)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
