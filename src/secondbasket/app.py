"""The composition root: builds the stack from the settings. Only this module knows every class.

Read it from `open_stack` down: what is opened first is closed last.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import anyio

from secondbasket import __version__
from secondbasket.chips.inventory import Inventory, load_probes
from secondbasket.cloud.placement import load_engines
from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.model import ModelTask
from secondbasket.core.money import Price, nano_from_units
from secondbasket.core.plugins import load
from secondbasket.core.ports import ModelSource, Upstream, UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.egress.door import Door
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import AuthenticationFailed, ModelNotFound, SettingsError
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.keys import Keys
from secondbasket.maas.local_models import EngineWishes, LocalModels
from secondbasket.maas.metrics import Metrics
from secondbasket.maas.model_desk import ModelDesk
from secondbasket.maas.sessions import Sessions
from secondbasket.models.catalogue import load_catalogue
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.sources.options import PUBLIC_HUB, SourceOptions
from secondbasket.models.store import Store
from secondbasket.policy.destinations import DestinationRules, checked_url, destination_of
from secondbasket.settings import Settings, UpstreamTable
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 120.0
_LOCAL_KEY_NAME = "local"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Everything that was built, for the doors to take their ports from."""

    settings: Settings
    home: Home
    started_at: float
    ledger: Ledger
    signing_key: SigningKey
    keys: Keys
    sessions: Sessions
    budgets: Budgets
    in_flight: InFlight
    baskets: Baskets
    gateway: Gateway
    metrics: Metrics
    supervisor: Supervisor
    local_models: LocalModels
    model_desk: ModelDesk
    chips: Inventory

    async def local_key(self) -> str:
        """The key of this machine's owner, kept in the home; made anew when it no longer works."""
        key = self.home.local_key()
        if key is not None:
            try:
                self.keys.verify(key)
            except AuthenticationFailed:
                key = None
        if key is None:
            _, key = await self.keys.create(by=None, name=_LOCAL_KEY_NAME, role="admin")
            self.home.keep_local_key(key)
        return key

    def waiting_for(self) -> str | None:
        """Why the default model cannot answer yet; None when it can."""
        name = self.settings.models.default_chat
        try:
            basket = self.baskets.find(name, "chat")
        except ModelNotFound:
            return self.local_models.unserved.get(name, f"run: basket model pull {name}")
        if any(upstream.ready() for upstream in basket.upstreams):
            return None
        return f"'{name}' is loading"

    async def drain(self) -> None:
        """Let the calls under way end, for as long as the settings allow."""
        with anyio.move_on_after(self.settings.engine.drain_seconds):
            await self.in_flight.drained()


@asynccontextmanager
async def open_stack(
    settings: Settings, environment: Mapping[str, str], *, engines: bool
) -> AsyncGenerator[Stack, None]:
    """The running stack. The home's lock is the caller's to hold.

    `environment` is what pip's child starts with, and where the providers'
    keys are read from. Without `engines` no model is loaded: for commands that
    only look things up.
    """
    async with AsyncExitStack() as closing:
        home = Home(settings.home)
        home.create()
        database = Database(settings.database.url or f"sqlite:///{home.database_file}")
        closing.callback(database.close)
        await database.prepare()
        ledger = Ledger(Journal(home.journal, fsync=settings.ledger.fsync), database)
        closing.push_async_callback(ledger.close)

        currency = settings.prices.currency
        pepper = home.secret("pepper")
        keys = Keys(database, pepper=pepper, currency=currency, record=ledger.record_decision)
        await keys.reload()
        budgets = Budgets(ledger, currency=currency)
        await budgets.load()
        in_flight = InFlight()
        keys.on_revoked(in_flight.revoke)

        door = _door(settings, ledger)
        closing.push_async_callback(door.aclose)
        store = Store(home.models)
        registry = Registry(home.models / "manifests")
        catalogue = load_catalogue(settings.models.catalogue)
        puller = Puller(
            store=store,
            registry=registry,
            catalogue=catalogue,
            sources=_sources(settings, door, environment),
        )

        baskets = Baskets(_outside_baskets(settings, door, environment))
        supervisor = await closing.enter_async_context(
            Supervisor(
                logs=home.logs, patience=Patience(start=settings.engine.start_timeout_seconds)
            )
        )
        chips = Inventory(load_probes().values())
        local_models = LocalModels(
            registry=registry,
            store=store,
            supervisor=supervisor,
            engines=load_engines(),
            chips=chips.now,
            session=await closing.enter_async_context(loopback_session()),
            baskets=baskets,
            prices=_local_prices(settings),
            law=settings.operator.law,
            wishes=EngineWishes(
                context_tokens=settings.engine.context_tokens,
                slots=settings.engine.slots,
                threads=settings.engine.threads,
                cache_mib=settings.engine.cache_mib,
            ),
        )
        metrics = Metrics(
            version=__version__,
            in_flight=lambda: len(in_flight),
            replicas=local_models.states,
        )

        def record(receipt: Receipt) -> None:
            ledger.record(receipt)
            metrics.observe(receipt)

        stack = Stack(
            settings=settings,
            home=home,
            started_at=time.time(),
            ledger=ledger,
            signing_key=SigningKey(home.signing_key_file),
            keys=keys,
            sessions=Sessions(database, keys, pepper=pepper),
            budgets=budgets,
            in_flight=in_flight,
            baskets=baskets,
            gateway=Gateway(baskets=baskets, budgets=budgets, in_flight=in_flight, record=record),
            metrics=metrics,
            supervisor=supervisor,
            local_models=local_models,
            model_desk=ModelDesk(
                registry=registry,
                store=store,
                puller=puller,
                catalogue=catalogue,
                local_models=local_models,
                chips=chips.measured,
                serves=engines,
                drain_seconds=settings.engine.drain_seconds,
            ),
            chips=chips,
        )
        background = await closing.enter_async_context(anyio.create_task_group())
        closing.callback(background.cancel_scope.cancel)
        background.start_soon(ledger.run)
        if engines:
            await local_models.serve_installed(
                [
                    settings.models.default_chat,
                    settings.models.default_embedding,
                    *settings.models.serve,
                ]
            )
        yield stack
        await stack.drain()
        await supervisor.stop(settings.engine.drain_seconds)


def _door(settings: Settings, ledger: Ledger) -> Door:
    """What the operator's configuration names may be reached, wherever it lies."""
    inside = [destination_of(checked_url(f"http://{place}")) for place in settings.egress.allow]
    named = [destination_of(checked_url(table.base_url)) for table in settings.upstreams.values()]
    return Door(
        DestinationRules(inside, named=named),
        ledger.record_decision,
        proxy=settings.egress.proxy,
        ca_bundle=settings.egress.ca_bundle,
        offline=settings.egress.offline,
    )


def _sources(
    settings: Settings, door: Door, environment: Mapping[str, str]
) -> dict[str, ModelSource]:
    options = SourceOptions(
        door=door,
        proxy=settings.egress.proxy or "",
        ca_file=settings.egress.ca_bundle,
        environment=environment,
        hub_endpoint=environment.get("HF_ENDPOINT", PUBLIC_HUB),
        hub_token=environment.get("HF_TOKEN"),
    )
    return {name: create(options) for name, create in load("secondbasket.model_sources").items()}


def _local_prices(settings: Settings) -> dict[ModelTask, Price]:
    prices = settings.prices
    return {
        "chat": _price(
            prices.local_input_per_million, prices.local_output_per_million, prices.currency
        ),
        "embedding": _price(prices.local_embedding_per_million, Decimal(0), prices.currency),
    }


def _price(read: Decimal, written: Decimal, currency: str) -> Price:
    return Price(nano_from_units(read), nano_from_units(written), currency)


def _outside_baskets(
    settings: Settings, door: Door, environment: Mapping[str, str]
) -> list[Basket]:
    """The baskets of the settings file, over HTTP upstreams reached through the door."""
    now = int(time.time())
    return [
        Basket(
            name,
            settings.upstreams[basket.upstreams[0]].task,
            tuple(
                _outside_upstream(
                    upstream, settings.upstreams[upstream], settings, door, environment
                )
                for upstream in basket.upstreams
            ),
            created=now,
        )
        for name, basket in settings.baskets.items()
    ]


def _outside_upstream(
    name: str,
    table: UpstreamTable,
    settings: Settings,
    door: Door,
    environment: Mapping[str, str],
) -> Upstream:
    create = load("secondbasket.upstreams", ("openai",))["openai"]
    upstream: Upstream = create(
        UpstreamFacts(
            name=name,
            provider=table.provider,
            law=table.law,
            model=table.model,
            task=table.task,
            context_tokens=table.context_tokens,
            price=_price(
                table.price_input_per_million,
                table.price_output_per_million,
                settings.prices.currency,
            ),
        ),
        door.session(f"upstream {name}", base_url=table.base_url),
        base_url=table.base_url,
        api_key=_provider_key(name, table, environment),
        connect_seconds=_CONNECT_SECONDS,
        idle_seconds=_IDLE_SECONDS,
    )
    return upstream


def _provider_key(name: str, table: UpstreamTable, environment: Mapping[str, str]) -> str | None:
    if table.api_key_env is not None:
        key = environment.get(table.api_key_env)
        if not key:
            raise SettingsError(
                f"upstreams.{name}.api_key_env names the variable {table.api_key_env},"
                " which is not set.",
                hint="Set it where the server starts, or use api_key_file.",
            )
        return key
    if table.api_key_file is not None:
        try:
            return table.api_key_file.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise SettingsError(
                f"upstreams.{name}.api_key_file cannot be read: {exc.strerror}.",
                hint="Point it at a readable file that holds the key and nothing else.",
            ) from exc
    return None
