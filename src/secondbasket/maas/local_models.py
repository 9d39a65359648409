"""Installed models as things that answer: a replica in the cloud layer, a basket in front of it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio
import msgspec

from secondbasket.cloud.placement import place
from secondbasket.cloud.replica import Replica, ReplicaSpec
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord, ModelTask
from secondbasket.core.money import Price
from secondbasket.core.ports import Engine, UpstreamFacts
from secondbasket.egress import Session
from secondbasket.errors import BasketError, Conflict
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.prices import LOCAL
from secondbasket.maas.upstreams.local import LocalUpstream
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store

log = logging.getLogger(__name__)


class EngineWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator set for every engine; None is chosen for the chip and the model."""

    context_tokens: int | None = None
    slots: int | None = None
    threads: int | None = None
    cache_mib: int | None = None


class LocalModels:
    """`unserved` says, for each installed model that is not served, why.

    `baskets` holds those of the settings, which keep their names; `chips`
    finds the chips as they are now (it blocks); `session` is the way to an
    engine, for the upstream that it is; `prices` is what a
    token costs by task; `law` is the law that the operator is under; `maker_of`
    tells who made a model's weights, empty where nobody said.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        supervisor: Supervisor,
        engines: Mapping[str, Engine],
        chips: Callable[[], Sequence[Chip]],
        session: Callable[[UpstreamFacts], Session],
        baskets: Baskets,
        prices: Mapping[ModelTask, Price],
        law: str,
        maker_of: Callable[[ModelRecord], str],
        wishes: EngineWishes,
    ) -> None:
        self.unserved: dict[str, str] = {}
        self._registry = registry
        self._store = store
        self._supervisor = supervisor
        self._engines = engines
        self._chips = chips
        self._session = session
        self._baskets = baskets
        self._prices = prices
        self._law = law
        self._maker_of = maker_of
        self._wishes = wishes
        self._placing = anyio.Lock()

    async def serve_installed(self, names: Iterable[str]) -> None:
        """Begin to serve those of `names` that are installed ('*': all), each while it fits."""
        installed = await anyio.to_thread.run_sync(self._registry.names)
        wanted = [each for name in names for each in (installed if name == "*" else [name])]
        for name in dict.fromkeys(wanted):
            if name in installed:
                try:
                    await self.serve(await anyio.to_thread.run_sync(self._registry.get, name))
                except BasketError as error:
                    self.unserved[name] = str(error)
                    log.warning("'%s' is not served: %s", name, error)

    async def serve(self, record: ModelRecord) -> Replica:
        """Begin to load `record` and put its basket up; or the replica that serves it already.

        One that failed or was stopped begins anew. Raises ModelDoesNotFit with
        the numbers, before anything is loaded, PluginError where no engine runs
        it, and Conflict where a basket of the settings has its name.
        """
        name = record.name
        plan = self._baskets.planned(name)
        if plan is not None and _upstream_name(name) not in plan.members:
            raise Conflict(
                f"The basket {name} of basket.toml has this name, and the model is no part of it.",
                hint=f"Pull the model under another name with --name, rename the basket, or name"
                f" '{_upstream_name(name)}' in its upstreams.",
                param="name",
            )
        async with self._placing:
            replica = self._supervisor.replicas.get(name)
            if replica is None:
                promised = self._supervisor.promised_bytes()
                spec = await anyio.to_thread.run_sync(self._place, record, promised)
                replica = await self._supervisor.add(spec)
            elif replica.state in ("failed", "stopped"):
                await replica.start()
            else:
                return replica
            facts = self._facts(replica.spec)
            upstream = LocalUpstream(facts, self._session(facts), replica)
            self._baskets.put(Basket(name, record.task, (upstream,), created=int(time.time())))
            self.unserved.pop(name, None)
            return replica

    async def withdraw(self, name: str, drain_seconds: float) -> None:
        """Take the model's basket down, let its calls end, and stop its engine."""
        async with self._placing:
            self.unserved.pop(name, None)
            if name in self._supervisor.replicas:
                self._baskets.remove(name)
                await self._supervisor.remove(name, drain_seconds)

    async def settled(self) -> None:
        """Returns once no engine is on its way up any more."""
        replicas = self._supervisor.replicas
        while any(each.state in ("starting", "restarting") for each in replicas.values()):
            await self._supervisor.changed.wait()

    def states(self) -> Mapping[str, int]:
        """Replicas by state."""
        return Counter(replica.state for replica in self._supervisor.replicas.values())

    def _place(self, record: ModelRecord, promised: int) -> ReplicaSpec:
        return place(
            record,
            {file.name: self._store.path_of(file.sha256) for file in record.files},
            engines=self._engines,
            chips=self._chips(),
            promised=promised,
            **msgspec.structs.asdict(self._wishes),
        )

    def _facts(self, spec: ReplicaSpec) -> UpstreamFacts:
        model = spec.model
        return UpstreamFacts(
            name=_upstream_name(model.name),
            provider=LOCAL,
            law=self._law,
            vendor=LOCAL,
            operator=LOCAL,
            weights_origin=self._maker_of(model),
            licence=model.licence,
            engine_family=spec.engine.name,
            model=model.name,
            task=model.task,
            digest=model.digest,
            engine=spec.engine.version(),
            chip=spec.chip.name,
            context_tokens=spec.options.context_tokens,
            modalities=model.shape.modalities if model.shape else ("text",),
            price=self._prices[model.task],
        )


def _upstream_name(model: str) -> str:
    return f"{LOCAL}/{model}"
