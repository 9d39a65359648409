"""Installed models served and withdrawn: real processes, the settings' baskets beside them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord
from secondbasket.core.money import Price
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import Conflict, ModelNotFound
from secondbasket.maas.baskets import BasketPlan, Baskets
from secondbasket.maas.local_models import EngineWishes, LocalModels
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from tests.integration.cloud.scripted_engine import SERVES, ScriptedEngine

pytestmark = pytest.mark.anyio

REFUSES = "import sys; sys.exit('no such weights')"
CONFIGURED = BasketPlan("far-away", "chat", ("far",))


def record(name: str) -> ModelRecord:
    return ModelRecord(
        name=name, task="chat", format="gguf", digest="", files=(), licence="", source="file:"
    )


class Machine(msgspec.Struct):
    """A node on which the usual engine runs `programs`, one for each start."""

    registry: Registry
    manifests: Path
    supervisor: Supervisor
    baskets: Baskets
    local_models: LocalModels


def _chips() -> Sequence[Chip]:
    gib = 1024**3
    return [
        Chip(
            id="cpu",
            kind="cpu",
            vendor="",
            name="",
            cores=1,
            memory_total=8 * gib,
            memory_free=8 * gib,
        )
    ]


@asynccontextmanager
async def machine(
    tmp_path: Path, *programs: str, others: Mapping[str, ScriptedEngine] = {}
) -> AsyncIterator[Machine]:
    registry = Registry(tmp_path / "manifests")
    baskets = Baskets()
    baskets.configure([CONFIGURED], [])
    async with (
        loopback_session() as session,
        Supervisor(logs=tmp_path, patience=Patience(pause=0.01)) as supervisor,
    ):
        yield Machine(
            registry,
            tmp_path / "manifests",
            supervisor,
            baskets,
            LocalModels(
                registry=registry,
                store=Store(tmp_path),
                supervisor=supervisor,
                engines={"scripted": ScriptedEngine(*programs), **others},
                chips=_chips,
                session=lambda _facts: session,
                baskets=baskets,
                prices={"chat": Price(0, 0, "EUR")},
                law="DE",
                maker_of=lambda model: f"maker of {model.name}",
                wishes=EngineWishes(),
            ),
        )


async def test_a_basket_of_the_settings_keeps_its_name(tmp_path: Path) -> None:
    async with machine(tmp_path, SERVES) as node:
        node.registry.add(record("far-away"))
        await node.local_models.serve_installed(["*"])
        assert node.baskets.find("far-away").upstreams == ()
        assert (
            "basket far-away of basket.toml has this name"
            in (node.local_models.unserved["far-away"])
        )
        with pytest.raises(Conflict, match="has this name"):
            await node.local_models.serve(record("far-away"))
        await node.local_models.withdraw("far-away", 0)
        assert node.baskets.find("far-away").upstreams == ()
        assert not node.supervisor.replicas


async def test_a_model_whose_engine_failed_can_be_served_again(tmp_path: Path) -> None:
    async with machine(tmp_path, REFUSES, SERVES) as node:
        replica = await node.local_models.serve(record("one"))
        with anyio.fail_after(20):
            while replica.state != "failed":
                await node.supervisor.changed.wait()
            again = await node.local_models.serve(record("one"))
            await again.wait_ready(20)
        assert node.baskets.find("one").ready()
        assert await node.local_models.serve(record("one")) is again


async def test_a_model_served_while_it_is_withdrawn_is_there_afterwards(tmp_path: Path) -> None:
    async with machine(tmp_path, SERVES) as node:
        first = await node.local_models.serve(record("one"))
        await first.wait_ready(20)
        async with anyio.create_task_group() as tasks:
            with first.lease():
                tasks.start_soon(node.local_models.withdraw, "one", 20)
                while first.state != "draining":
                    await node.supervisor.changed.wait()
                tasks.start_soon(node.local_models.serve, record("one"))
                await anyio.wait_all_tasks_blocked()
        second = node.supervisor.replicas["one"]
        await second.wait_ready(20)
        assert second is not first
        assert node.baskets.find("one").ready()
        await node.local_models.withdraw("one", 0)
        with pytest.raises(ModelNotFound):
            node.baskets.find("one")


async def test_an_unreadable_manifest_stops_no_other_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with machine(tmp_path, SERVES) as node:
        node.registry.add(record("sound"))
        (node.manifests / "cut-off.json").write_text('{"name": ')
        (node.manifests / "overwritten.json").write_bytes(b"\x00\xff" * 8)
        await node.local_models.serve_installed(["sound", "not-installed", "*"])
        assert list(node.supervisor.replicas) == ["sound"]
        assert sorted(node.local_models.unserved) == ["cut-off", "overwritten"]
        for name, reason in node.local_models.unserved.items():
            assert f"{name}.json cannot be read" in reason
            assert f"{name}.json cannot be read" in caplog.text


# Ready after a moment, in which a further engine must not begin.
SLOW = "import time; time.sleep(0.5)\n" + SERVES


def members(node: Machine, name: str = "one") -> list[str]:
    return [upstream.facts.name for upstream in node.baskets.find(name).upstreams]


async def until(node: Machine, state: Mapping[str, str]) -> None:
    """Wait for replicas to be in these states and the baskets to have been mended since."""
    with anyio.fail_after(30):
        while {name: each.state for name, each in node.supervisor.replicas.items()} != state:
            await node.supervisor.changed.wait()
        await anyio.sleep(0.1)


@asynccontextmanager
async def with_second(
    tmp_path: Path, first: str, *second: str
) -> AsyncIterator[tuple[Machine, ScriptedEngine]]:
    """A node that is to run the model 'one' in two engines, and keeps at it."""
    engine = ScriptedEngine(*second, name="other")
    async with (
        machine(tmp_path, first, others={"other": engine}) as node,
        anyio.create_task_group() as tasks,
    ):
        node.local_models.want({"one": ("other",)})
        tasks.start_soon(node.local_models.run)
        yield node, engine
        tasks.cancel_scope.cancel()


async def test_a_second_engine_begins_once_the_first_is_ready(tmp_path: Path) -> None:
    async with with_second(tmp_path, SLOW, SERVES) as (node, engine):
        first = await node.local_models.serve(record("one"))
        assert members(node) == ["local/one"]
        while first.state == "starting":
            assert engine.started == 0
            await anyio.sleep(0.02)
        await until(node, {"one": "ready", "one@other": "ready"})
        assert members(node) == ["local/one", "local/one@other"]
        usual, other = (upstream.facts for upstream in node.baskets.find("one").upstreams)
        assert (usual.engine_family, other.engine_family) == ("scripted", "other")
        assert usual.prefill
        assert other.prefill
        assert usual.context_tokens == other.context_tokens
        logs = {replica.log.name for replica in node.supervisor.replicas.values()}
        assert len(logs) == 2
        await node.local_models.withdraw("one", 0)
        assert not node.supervisor.replicas
        with pytest.raises(ModelNotFound):
            node.baskets.find("one")


async def test_a_second_engine_that_refuses_the_model_leaves_a_basket_of_one(
    tmp_path: Path,
) -> None:
    async with with_second(tmp_path, SERVES, REFUSES, SERVES) as (node, _):
        await node.local_models.serve(record("one"))
        await until(node, {"one": "ready", "one@other": "failed"})
        assert members(node) == ["local/one"]
        assert "no such weights" in node.supervisor.replicas["one@other"].reason
        # Pulled anew, it is tried anew.
        await node.local_models.withdraw("one", 0)
        await node.local_models.serve(record("one"))
        await until(node, {"one": "ready", "one@other": "ready"})
        assert members(node) == ["local/one", "local/one@other"]


async def test_a_second_engine_takes_over_from_a_first_that_fails(tmp_path: Path) -> None:
    async with with_second(tmp_path, REFUSES, SERVES) as (node, _):
        await node.local_models.serve(record("one"))
        await until(node, {"one": "failed", "one@other": "ready"})
        assert members(node) == ["local/one", "local/one@other"]
        assert node.baskets.find("one").ready()


async def test_a_second_engine_that_cannot_be_placed_is_told_of(tmp_path: Path) -> None:
    async with with_second(tmp_path, SERVES, SERVES) as (node, _):
        node.local_models.want({"one": ("absent", "scripted", "other")})
        await node.local_models.serve(record("one"))
        await until(node, {"one": "ready", "one@other": "ready"})
        assert members(node) == ["local/one", "local/one@other"]
        assert list(node.local_models.unserved) == ["one@absent"]
        assert "'absent' does not run 'one'" in node.local_models.unserved["one@absent"]
        await node.local_models.withdraw("one", 0)
        assert not node.local_models.unserved


async def test_a_plan_may_name_a_second_engine(tmp_path: Path) -> None:
    async with with_second(tmp_path, SERVES, SERVES) as (node, _):
        plan = BasketPlan("house", "chat", ("local/one@other", "local/one"))
        node.baskets.configure([plan], [])
        await node.local_models.serve(record("one"))
        await until(node, {"one": "ready", "one@other": "ready"})
        assert members(node, "house") == ["local/one@other", "local/one"]
