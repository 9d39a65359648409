"""Installed models as things that answer: a replica in the cloud layer, a basket in front of it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

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

_ROUND_SECONDS = 1.0
# Where the usual engine is neither on its way up nor on its way down.
_SETTLED = frozenset({"ready", "restarting", "failed"})


class EngineWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator set for every engine; None is chosen for the chip and the model."""

    context_tokens: int | None = None
    slots: int | None = None
    threads: int | None = None
    cache_mib: int | None = None


class LocalModels:
    """`unserved` says, for each installed model that is not served, why; as MODEL@ENGINE for an
    engine that should run it besides its usual one.

    A model's basket is up as soon as it has begun to load in its usual engine.
    Further engines, told by `want`, are begun by `run` when nothing else loads,
    and stand behind the usual one in the same basket while they have not failed.

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
        self._wanted: Mapping[str, Sequence[str]] = {}
        self._served: dict[str, Basket] = {}
        self._upstreams: WeakKeyDictionary[Replica, LocalUpstream] = WeakKeyDictionary()
        self._placing = anyio.Lock()

    def want(self, engines: Mapping[str, Sequence[str]]) -> None:
        """The engines that are to run a model besides its usual one, by the model's name.

        One that runs already is left running.
        """
        self._wanted = engines

    async def run(self) -> None:
        """Begin the further engines of the models served, and keep their baskets up to date."""
        while True:
            changed = self._supervisor.changed
            async with self._placing:
                await self._begin_next()
                for basket in [*self._served.values()]:
                    self._put(basket)
            with anyio.move_on_after(_ROUND_SECONDS):
                await changed.wait()

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
        if plan is not None and not any(_is_of(member, name) for member in plan.members):
            raise Conflict(
                f"The basket {name} of basket.toml has this name, and the model is no part of it.",
                hint=f"Pull the model under another name with --name, rename the basket, or name"
                f" '{_upstream_name(name)}' in its upstreams.",
                param="name",
            )
        async with self._placing:
            replica = self._supervisor.replicas.get(name)
            if replica is None:
                replica = await self._supervisor.add(await self._placed(record, self._wishes))
            elif replica.state in ("failed", "stopped"):
                await replica.start()
            else:
                return replica
            self._put(Basket(name, record.task, (), created=int(time.time())))
            for each in (name, *self._others(name)):
                self.unserved.pop(each, None)
            return replica

    async def withdraw(self, name: str, drain_seconds: float) -> None:
        """Take the model's basket down, let its calls end, and stop its engines."""
        async with self._placing:
            for each in (name, *self._others(name)):
                self.unserved.pop(each, None)
            if self._served.pop(name, None) is not None:
                self._baskets.remove(name)
            async with anyio.create_task_group() as stopping:
                for replica in self._running(name):
                    stopping.start_soon(self._supervisor.remove, replica.name, drain_seconds)

    async def settled(self) -> None:
        """Returns once no engine is on its way up any more."""
        replicas = self._supervisor.replicas
        while any(each.state in ("starting", "restarting") for each in replicas.values()):
            await self._supervisor.changed.wait()

    def states(self) -> Mapping[str, int]:
        """Replicas by state."""
        return Counter(replica.state for replica in self._supervisor.replicas.values())

    def coming(self, basket: str) -> bool:
        """Is an engine for one of the basket's members on its way up, or still to be begun?"""
        plan = self._baskets.planned(basket)
        members = (basket,) if plan is None else plan.members
        models = {each.removeprefix(f"{LOCAL}/").partition("@")[0] for each in members}
        return any(
            replica.spec.model.name in models and replica.state in ("starting", "restarting")
            for replica in self._supervisor.replicas.values()
        ) or any(usual.name in models for usual, _ in self._not_begun())

    async def _begin_next(self) -> None:
        """One further engine that is wanted and not begun, unless something is loading now."""
        replicas = self._supervisor.replicas
        if any(replica.state == "starting" for replica in replicas.values()):
            return
        for usual, engine in self._not_begun():
            if usual.state in _SETTLED:
                await self._begin(usual.spec, engine, f"{usual.name}@{engine}")
                return

    def _not_begun(self) -> Iterator[tuple[Replica, str]]:
        """Models as they run in their usual engine, and the further ones that are wanted."""
        replicas = self._supervisor.replicas
        for name in self._served:
            usual = replicas[name]
            for engine in self._wanted.get(name, ()):
                other = f"{name}@{engine}"
                begun = other in replicas or other in self.unserved
                if not begun and engine != usual.spec.engine.name:
                    yield usual, engine

    async def _begin(self, usual: ReplicaSpec, engine: str, name: str) -> None:
        # The same context, so that what one can be asked the other can be asked.
        wishes = msgspec.structs.replace(self._wishes, context_tokens=usual.options.context_tokens)
        try:
            spec = await self._placed(usual.model, wishes, engine)
            await self._supervisor.add(spec)
        except BasketError as error:
            self.unserved[name] = str(error)
            log.warning("'%s' is not served: %s", name, error)

    async def _placed(
        self, record: ModelRecord, wishes: EngineWishes, engine: str | None = None
    ) -> ReplicaSpec:
        promised = self._supervisor.promised_bytes()

        def placed() -> ReplicaSpec:
            return place(
                record,
                {file.name: self._store.path_of(file.sha256) for file in record.files},
                engines=self._engines,
                chips=self._chips(),
                engine=engine,
                promised=promised,
                **msgspec.structs.asdict(wishes),
            )

        return await anyio.to_thread.run_sync(placed)

    def _others(self, name: str) -> list[str]:
        return [each for each in self.unserved if each.startswith(f"{name}@")]

    def _running(self, name: str) -> list[Replica]:
        """The replicas of a model, that of its usual engine first."""
        found = [
            each for each in self._supervisor.replicas.values() if each.spec.model.name == name
        ]
        return sorted(found, key=lambda replica: replica.name != name)

    def _put(self, basket: Basket) -> None:
        """Bring the model's basket up to its engines as they are now."""
        usual, *others = self._running(basket.name)
        members = [usual, *(each for each in others if each.state != "failed")]
        upstreams = tuple(map(self._upstream, members))
        if upstreams != basket.upstreams:
            basket = msgspec.structs.replace(basket, upstreams=upstreams)
            self._served[basket.name] = basket
            self._baskets.put(basket)

    def _upstream(self, replica: Replica) -> LocalUpstream:
        if replica not in self._upstreams:
            facts = self._facts(replica.spec)
            self._upstreams[replica] = LocalUpstream(facts, self._session(facts), replica)
        return self._upstreams[replica]

    def _facts(self, spec: ReplicaSpec) -> UpstreamFacts:
        model = spec.model
        return UpstreamFacts(
            name=_upstream_name(spec.name),
            provider=LOCAL,
            law=self._law,
            vendor=LOCAL,
            operator=LOCAL,
            weights_origin=self._maker_of(model),
            licence=model.licence,
            engine_family=spec.engine.name,
            # Our engines read the beginning of an answer as if they had written it.
            prefill=model.task == "chat",
            model=model.name,
            task=model.task,
            digest=model.digest,
            engine=spec.engine.version(),
            chip=spec.chip.name,
            context_tokens=spec.options.context_tokens,
            modalities=model.shape.modalities if model.shape else ("text",),
            price=self._prices[model.task],
        )


def _upstream_name(replica: str) -> str:
    return f"{LOCAL}/{replica}"


def _is_of(upstream: str, model: str) -> bool:
    """Whether an upstream's name is that of `model` in one engine or another."""
    return upstream.partition("@")[0] == _upstream_name(model)
