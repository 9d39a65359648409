"""The composition root: builds the stack from the settings. Only this module knows every class.

Read it from `open_stack` down: what is opened first is closed last.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import anyio

from secondbasket import __version__
from secondbasket.chips.inventory import Inventory, load_probes
from secondbasket.cloud.placement import load_engines
from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillPlan
from secondbasket.core.model import ModelRecord, ModelTask
from secondbasket.core.money import Price, nano_from_units
from secondbasket.core.plugins import load
from secondbasket.core.ports import Detector, ModelSource, Upstream, UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.door import Door
from secondbasket.egress.loopback import Loopback
from secondbasket.errors import AuthenticationFailed, ModelNotFound, SettingsError
from secondbasket.ledger.head_push import HeadPush
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.ledger.signing_process import SigningProcess
from secondbasket.maas.baskets import BasketPlan, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.drills.drill import Ground
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.drills.schedule import Schedule, Scheduled
from secondbasket.maas.drills.shelf import Shelf
from secondbasket.maas.drills.timetable import Clockwork, Interval, Timetable
from secondbasket.maas.explainer import Explainer
from secondbasket.maas.gateway import Finder, Gateway
from secondbasket.maas.guard import Guard
from secondbasket.maas.health import Health, HealthRules
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.independence import Independence
from secondbasket.maas.keys import Keys
from secondbasket.maas.local_models import EngineWishes, LocalModels
from secondbasket.maas.metrics import Metrics
from secondbasket.maas.model_desk import ModelDesk
from secondbasket.maas.parity.desk import ParityDesk
from secondbasket.maas.parity.orders import ParityPlan
from secondbasket.maas.parity.records import ParityRecords
from secondbasket.maas.parity.standing import ParityStanding
from secondbasket.maas.pepper_care import PepperCare
from secondbasket.maas.prober import Prober
from secondbasket.maas.routing import Router
from secondbasket.maas.sessions import Sessions
from secondbasket.maas.standing import Standings
from secondbasket.models.catalogue import CatalogueEntry, load_catalogue
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.sources.options import PUBLIC_HUB, SourceOptions
from secondbasket.models.store import Store
from secondbasket.policy.destinations import DestinationRules, checked_url, destination_of
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.rules import Rule
from secondbasket.settings import (
    LOCAL_PREFIX,
    Commit,
    DrillTable,
    Prepare,
    ProviderTable,
    Reload,
    Settings,
    UpstreamTable,
    task_of,
)
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers

_LOCAL_KEY_NAME = "local"
_LAST_PUSH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Everything that was built, for the doors to take their ports from."""

    settings: Settings
    home: Home
    started_at: float
    ledger: Ledger
    notary: Notary
    head_push: HeadPush
    drills: Drills
    keys: Keys
    pepper_care: PepperCare
    sessions: Sessions
    budgets: Budgets
    in_flight: InFlight
    door: Door
    baskets: Baskets
    health: Health
    independence: Independence
    parity: ParityDesk
    standings: Standings
    guard: Guard
    explainer: Explainer
    gateway: Gateway
    metrics: Metrics
    supervisor: Supervisor
    local_models: LocalModels
    model_desk: ModelDesk
    chips: Inventory
    reload: Reload

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
        if basket.ready():
            return None
        return f"'{name}' is loading"

    async def drain(self) -> None:
        """Let the calls under way end, for as long as the settings allow."""
        with anyio.move_on_after(self.settings.engine.drain_seconds):
            await self.in_flight.drained()


@asynccontextmanager
async def open_stack(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    engines: bool,
    reread: Callable[[], Settings],
) -> AsyncGenerator[Stack, None]:
    """The running stack. The home's lock is the caller's to hold.

    `reread` reads the settings again as they were read before.
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
        notary = Notary(
            ledger,
            database,
            SigningKey(home.signing_key_file),
            signs=SigningProcess(home.signing_key_file),
            file=settings.ledger.head_file,
        )
        if engines:  # a command that is over in a moment leaves signing to the server
            closing.push_async_callback(notary.try_to_make)

        currency = settings.prices.currency
        peppers = Peppers(home)
        pepper_care = PepperCare(database, peppers, record=ledger.record_decision)
        await pepper_care.settle()
        keys = Keys(
            database,
            peppers=peppers,
            currency=currency,
            record=ledger.record_decision,
            projects=lambda: guard.projects,
        )
        await keys.reload()
        budgets = Budgets(ledger, currency=currency)
        await budgets.load()
        in_flight = InFlight()
        keys.on_revoked(in_flight.revoke)

        cuts = Cuts()
        door = _door(settings, ledger, cuts)
        closing.push_async_callback(door.aclose)
        loopback = Loopback(cuts)
        closing.push_async_callback(loopback.aclose)
        head_push = HeadPush(_head_destinations(settings, door), ledger.record_decision)
        notary.on_head(head_push.offer)
        store = Store(home.models)
        registry = Registry(home.models / "manifests")
        catalogue = load_catalogue(settings.models.catalogue)
        puller = Puller(
            store=store,
            registry=registry,
            catalogue=catalogue,
            sources=_sources(settings, door, environment),
        )

        baskets = Baskets()
        reload = Reload(settings, reread, record=ledger.record_decision)
        follow = _outside_baskets(baskets, door, environment)
        follow(settings)()
        reload.add(follow)
        health_rules = HealthRules(
            failures_to_open=settings.health.failures_to_open,
            open_seconds=settings.health.open_seconds,
            longest_open_seconds=settings.health.longest_open_seconds,
        )
        health = Health(health_rules)
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
            session=loopback.session,
            baskets=baskets,
            prices=_local_prices(settings),
            law=settings.operator.law,
            maker_of=_makers(settings, catalogue),
            wishes=EngineWishes(
                context_tokens=settings.engine.context_tokens,
                slots=settings.engine.slots,
                threads=settings.engine.threads,
                cache_mib=settings.engine.cache_mib,
            ),
        )
        further = _further_engines(local_models)
        further(settings)()
        reload.add(further)
        metrics = Metrics(
            version=__version__,
            in_flight=lambda: len(in_flight),
            replicas=local_models.states,
            egress=door.meter.sums,
            upstreams=baskets.upstreams,
            health=health,
        )
        parity_standing = ParityStanding()
        router = Router(health, unproven=parity_standing.unproven)

        detectors = load_detectors()
        guard = Guard(
            _policy(settings, detectors),
            _projects(settings),
            record=ledger.record_decision,
            refused=metrics.refused_by_policy,
        )
        reload.add(_policy_of(guard, detectors))

        def record_canary(receipt: Receipt) -> None:
            ledger.record(receipt)
            metrics.observe(receipt)

        def record(receipt: Receipt) -> None:
            record_canary(receipt)
            drills.hear(receipt)

        def open_gateway(
            finder: Finder,
            health: Health,
            router: Router,
            record: Callable[[Receipt], None],
            **more: Any,
        ) -> Gateway:
            return Gateway(
                baskets=finder,
                budgets=budgets,
                in_flight=in_flight,
                record=record,
                health=health,
                router=router,
                classify=guard.classify,
                forbidden=guard.forbids,
                held_back=guard.held_back,
                reclassify=guard.reclassify,
                currency=currency,
                **more,
            )

        def canary_gateway() -> Gateway:
            fresh = Health(health_rules)
            router = Router(fresh, unproven=parity_standing.unproven)
            return open_gateway(baskets, fresh, router, record_canary, canary=True)

        drills = Drills(
            Ground(
                baskets=baskets,
                cuts=cuts,
                hold_down=supervisor.held_down,
                gateway=canary_gateway,
                forbidden=guard.forbids,
                score=parity_standing.score,
                currency=currency,
                version=__version__,
                loading=local_models.coming,
                patience=settings.engine.start_timeout_seconds,
            ),
            shelf=Shelf(home.drills, keep=settings.ledger.drill_reports),
            ledger=ledger,
            sign=notary.sign,
            basket=settings.models.default_chat,
        )
        await drills.load()
        schedule = Schedule(drills)
        plan_drills = _scheduled_by(schedule)
        plan_drills(settings)()
        reload.add(plan_drills)

        def apart(finder: Finder) -> Gateway:
            own = Health(health_rules)
            return open_gateway(finder, own, Router(own), record_canary)

        gateway = open_gateway(baskets, health, router, record, unasked=drills.miss)
        parity = ParityDesk(
            baskets=baskets,
            standing=parity_standing,
            records=ParityRecords(database),
            over=apart,
            gateway=gateway,
            record=ledger.record_decision,
            settled=local_models.settled,
            currency=currency,
        )
        await parity.load()
        measure = _parity(parity)
        measure(settings)()
        reload.add(measure)

        stack = Stack(
            settings=settings,
            home=home,
            started_at=time.time(),
            ledger=ledger,
            notary=notary,
            head_push=head_push,
            drills=drills,
            keys=keys,
            pepper_care=pepper_care,
            sessions=Sessions(database, keys, peppers=peppers),
            budgets=budgets,
            in_flight=in_flight,
            door=door,
            baskets=baskets,
            health=health,
            independence=Independence(baskets, parity_standing.unproven),
            parity=parity,
            standings=Standings(baskets, health, router, measured=parity_standing.measured),
            guard=guard,
            explainer=Explainer(baskets, guard, router, health),
            gateway=gateway,
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
            reload=reload,
        )
        background = await closing.enter_async_context(anyio.create_task_group())
        closing.callback(background.cancel_scope.cancel)
        background.start_soon(ledger.run)
        background.start_soon(pepper_care.run)
        background.start_soon(door.meter.run)
        if engines:
            background.start_soon(notary.run, settings.ledger.head_seconds)
            background.start_soon(head_push.run)
            background.start_soon(schedule.run)
        await background.start(drills.run)
        prober = Prober(baskets, health, idle_seconds=settings.health.probe_seconds)
        background.start_soon(prober.run)
        if engines:
            background.start_soon(local_models.run)
            await local_models.serve_installed(
                [
                    settings.models.default_chat,
                    settings.models.default_embedding,
                    *settings.models.serve,
                ]
            )
        yield stack
        drills.stop()
        await stack.drain()
        await supervisor.stop(settings.engine.drain_seconds)
        if engines:
            await notary.try_to_make()
            with anyio.move_on_after(_LAST_PUSH_SECONDS):
                await head_push.push()


def _policy(settings: Settings, detectors: Mapping[str, Detector]) -> Policy:
    """What the settings say of data. Raises SettingsError."""
    table = settings.policy
    for name in table.detectors:
        if name not in detectors:
            raise SettingsError(
                f"policy.detectors names '{name}', which is not installed.",
                hint=f"Detectors here: {', '.join(sorted(detectors))}.",
            )
    return Policy(
        rules=[
            Rule(
                name=name,
                classes=frozenset(map(DataClass.parse, rule.classes)),
                law=rule.laws,
                vendor=rule.vendors,
                operator=rule.operators,
                location=rule.locations,
                provider=rule.providers,
            )
            for name, rule in table.rules.items()
        ],
        detectors=detectors.values() if table.detect else (),
        classes={
            name: None if label == "off" else DataClass.parse(label)
            for name, label in table.detectors.items()
        },
        default_class=DataClass.parse(table.default_class),
        unread_class=DataClass.parse(table.unread_class),
    )


def _projects(settings: Settings) -> dict[str, DataClass]:
    return {name: DataClass.parse(table.data_class) for name, table in settings.projects.items()}


def _policy_of(guard: Guard, detectors: Mapping[str, Detector]) -> Prepare:
    """Puts the policy of the settings in force."""

    def prepare(settings: Settings) -> Commit:
        policy, projects = _policy(settings, detectors), _projects(settings)
        return lambda: guard.follow(policy, projects)

    return prepare


def _scheduled_by(schedule: Schedule) -> Prepare:
    """Has the drills of the settings run when they are due."""

    def prepare(settings: Settings) -> Commit:
        scheduled = {
            name: Scheduled(
                DrillPlan(
                    cuts=table.cut,
                    basket=table.basket,
                    seconds=table.seconds,
                    rate=table.rate,
                    target=table.target,
                    data_class=table.data_class,
                    schedule=name,
                ),
                _timetable(table),
            )
            for name, table in settings.drills.items()
        }
        return lambda: schedule.follow(scheduled)

    return prepare


def _timetable(table: DrillTable) -> Timetable:
    if table.every_hours is not None:
        return Interval(hours=table.every_hours)
    assert table.at is not None, "one of them is set"
    return Clockwork.parse(table.at, table.time_zone)


def _destinations(settings: Settings) -> DestinationRules:
    """What the operator's configuration names may be reached, wherever it lies."""
    inside = [destination_of(checked_url(f"http://{place}")) for place in settings.egress.allow]
    urls = [table.base_url for table in settings.providers.values()]
    named = [destination_of(checked_url(url)) for url in (*urls, *settings.ledger.head_push_urls)]
    return DestinationRules(inside, named=named)


def _head_destinations(
    settings: Settings, door: Door
) -> dict[str, tuple[str, aiohttp.ClientSession]]:
    """By where each leads, which is told; the rest of its URL may be a secret."""
    found = {}
    for url in map(checked_url, settings.ledger.head_push_urls):
        session = door.session("heads of the ledger", base_url=str(url.origin()))
        found[str(destination_of(url))] = (str(url), session)
    return found


def _door(settings: Settings, ledger: Ledger, cuts: Cuts) -> Door:
    return Door(
        _destinations(settings),
        ledger.record_decision,
        proxy=settings.egress.proxy,
        ca_bundle=settings.egress.ca_bundle,
        offline=settings.egress.offline,
        cuts=cuts,
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


def _makers(
    settings: Settings, catalogue: Mapping[str, CatalogueEntry]
) -> Callable[[ModelRecord], str]:
    """Who made a model's weights: as the settings say, else as the catalogue does."""
    by_source = {entry.source: entry.maker for entry in catalogue.values()}

    def maker_of(model: ModelRecord) -> str:
        return settings.models.makers.get(model.name) or by_source.get(model.source, "")

    return maker_of


def _further_engines(local_models: LocalModels) -> Prepare:
    """Follows the settings: which models run in which engines besides their usual one."""

    def prepare(settings: Settings) -> Commit:
        wanted: dict[str, list[str]] = {}
        if settings.engine.second:
            wanted[settings.models.default_chat] = [settings.engine.second]
        for table in settings.baskets.values():
            for member in table.upstreams:
                model, _, engine = member.removeprefix(LOCAL_PREFIX).partition("@")
                if member.startswith(LOCAL_PREFIX) and engine:
                    wanted.setdefault(model, []).append(engine)
        return lambda: local_models.want(wanted)

    return prepare


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


def _plans(settings: Settings) -> list[BasketPlan]:
    """The baskets of the settings file."""
    return [
        BasketPlan(
            name,
            table.task or task_of(settings, table.upstreams[0]),
            table.upstreams,
            BasketRules(
                routing=table.routing,
                weights=table.weights,
                first_token_seconds=table.first_token_seconds,
                idle_seconds=table.idle_seconds,
                attempts=table.attempts,
                continuation=table.continuation,
                parity_floor=table.parity_floor,
                parity_max_age_days=table.parity_max_age_days,
            ),
        )
        for name, table in settings.baskets.items()
    ]


def _parity(desk: ParityDesk) -> Prepare:
    """Tells how the baskets of the settings are measured."""

    def prepare(settings: Settings) -> Commit:
        return desk.prepare(
            {
                name: ParityPlan(table.parity_evals, table.parity_judge)
                for name, table in settings.baskets.items()
            }
        )

    return prepare


def _outside_baskets(baskets: Baskets, door: Door, environment: Mapping[str, str]) -> Prepare:
    """Puts the baskets of the settings up, over upstreams that are reached through the door."""

    def prepare(settings: Settings) -> Commit:
        rules = _destinations(settings)
        wires = sorted({provider.kind for provider in settings.providers.values()})
        kinds = load("secondbasket.upstreams", wires)
        keys = {
            name: _provider_key(name, table, environment)
            for name, table in settings.providers.items()
        }

        def commit() -> None:
            door.follow(rules)
            baskets.configure(
                _plans(settings),
                [
                    _outside_upstream(
                        kinds[settings.providers[table.provider].kind],
                        *(name, table, settings, door, keys),
                    )
                    for name, table in settings.upstreams.items()
                ],
            )

        return commit

    return prepare


def _outside_upstream(
    create: Callable[..., Upstream],
    name: str,
    table: UpstreamTable,
    settings: Settings,
    door: Door,
    keys: Mapping[str, str | None],
) -> Upstream:
    provider = settings.providers[table.provider]
    vendor = provider.vendor or table.provider
    facts = UpstreamFacts(
        name=name,
        provider=table.provider,
        law=provider.law,
        model=table.model,
        task=table.task,
        vendor=vendor,
        operator=provider.operator or vendor,
        location=provider.location or "",
        weights_origin=table.weights_origin,
        licence=table.licence,
        host=destination_of(checked_url(provider.base_url)).host,
        context_tokens=table.context_tokens,
        modalities=table.modalities,
        price=_price(
            table.price_input_per_million,
            table.price_output_per_million,
            settings.prices.currency,
        ),
    )
    return create(
        facts,
        door.session(f"upstream {name}", base_url=provider.base_url, facts=facts),
        base_url=provider.base_url,
        api_key=keys[table.provider],
        connect_seconds=provider.connect_seconds,
    )


def _provider_key(name: str, table: ProviderTable, environment: Mapping[str, str]) -> str | None:
    if table.api_key_env is not None:
        key = environment.get(table.api_key_env)
        if not key:
            raise SettingsError(
                f"providers.{name}.api_key_env names the variable {table.api_key_env},"
                " which is not set.",
                hint="Set it where the server starts, or use api_key_file.",
            )
        return key
    if table.api_key_file is not None:
        try:
            return table.api_key_file.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise SettingsError(
                f"providers.{name}.api_key_file cannot be read: {exc.strerror}.",
                hint="Point it at a readable file that holds the key and nothing else.",
            ) from exc
    return None
