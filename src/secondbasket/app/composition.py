"""Builds the stack from the settings. Read `open_stack` down: what opens first closes last."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from secondbasket import __version__
from secondbasket.app.data import open_data
from secondbasket.app.documents import bind, open_documents
from secondbasket.app.following import (
    further_engines,
    guarded_by,
    measured_by,
    policy_of,
    projects_of,
    scheduled_by,
)
from secondbasket.app.office import durable_url, open_office
from secondbasket.app.outside import head_destinations, open_door, outside_baskets
from secondbasket.app.prices import local_prices
from secondbasket.app.remembering import open_memories
from secondbasket.app.stack import Stack
from secondbasket.app.tools import open_belt
from secondbasket.app.weights import makers, model_sources
from secondbasket.apps.tasks.timer import Timer
from secondbasket.chips.inventory import Inventory, load_probes
from secondbasket.cloud.placement import load_engines
from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.receipt import Receipt
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.loopback import Loopback
from secondbasket.ledger.head_push import HeadPush
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.ledger.signing_process import SigningProcess
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.drills.drill import Ground
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.drills.schedule import Schedule
from secondbasket.maas.drills.shelf import Shelf
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
from secondbasket.maas.parity.records import ParityRecords
from secondbasket.maas.parity.standing import ParityStanding
from secondbasket.maas.pepper_care import PepperCare
from secondbasket.maas.prober import Prober
from secondbasket.maas.routing import Router
from secondbasket.maas.sessions import Sessions
from secondbasket.maas.standing import Standings
from secondbasket.models.catalogue import load_catalogue
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from secondbasket.policy.policy import load_detectors
from secondbasket.settings import (
    Reload,
    Settings,
)
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers

_LAST_PUSH_SECONDS = 5.0


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
        door = open_door(settings, ledger, cuts)
        closing.push_async_callback(door.aclose)
        loopback = Loopback(cuts)
        closing.push_async_callback(loopback.aclose)
        head_push = HeadPush(head_destinations(settings, door), ledger.record_decision)
        notary.on_head(head_push.offer)
        store = Store(home.models)
        registry = Registry(home.models / "manifests")
        catalogue = load_catalogue(settings.models.catalogue)
        puller = Puller(
            store=store,
            registry=registry,
            catalogue=catalogue,
            sources=model_sources(settings, door, environment),
        )

        baskets = Baskets()
        reload = Reload(settings, reread, record=ledger.record_decision)
        follow = outside_baskets(baskets, door, environment)
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
            prices=local_prices(settings),
            law=settings.operator.law,
            maker_of=makers(settings, catalogue),
            wishes=EngineWishes(
                context_tokens=settings.engine.context_tokens,
                slots=settings.engine.slots,
                threads=settings.engine.threads,
                cache_mib=settings.engine.cache_mib,
            ),
        )
        further = further_engines(local_models)
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
            policy_of(settings, detectors),
            projects_of(settings),
            record=ledger.record_decision,
            refused=metrics.refused_by_policy,
        )
        reload.add(guarded_by(guard, detectors))

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
        plan_drills = scheduled_by(schedule)
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
        measure = measured_by(parity)
        measure(settings)()
        reload.add(measure)

        documents = open_documents(
            settings,
            database,
            gateway,
            baskets=baskets,
            settled=local_models.settled,
            record=ledger.record_decision,
        )
        memories = open_memories(
            database,
            gateway,
            guard,
            model=settings.models.default_embedding,
            currency=currency,
            record=ledger.record_decision,
        )
        bind(documents, memories)
        belt = open_belt(
            settings, door, home, environment, search=documents.search, memories=memories
        )
        closing.push_async_callback(belt.aclose)
        if engines:
            await belt.discover()

        office = open_office(
            database=database,
            durable_url=durable_url(settings.database.url, home),
            home=home,
            belt=belt,
            gateway=gateway,
            basket=settings.models.default_chat,
            key_of=keys.active,
            record=ledger.record_decision,
            currency=currency,
            at_once=settings.workers.at_once,
        )
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
            belt=belt,
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
            office=office,
            documents=documents,
            data=open_data(settings, database, home, detectors, record=ledger.record_decision),
            memories=memories,
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
            background.start_soon(office.shift.run)
            background.start_soon(Timer(office.board, office.roster, owner=stack.owner).run)
        await background.start(drills.run)
        prober = Prober(baskets, health, idle_seconds=settings.health.probe_seconds)
        background.start_soon(prober.run)
        if engines:
            background.start_soon(local_models.run)
            background.start_soon(memories.run)
            await local_models.serve_installed(
                [
                    settings.models.default_chat,
                    settings.models.default_embedding,
                    *settings.models.serve,
                ]
            )
        yield stack
        drills.stop()
        office.shift.stop()
        await stack.drain()
        await supervisor.stop(settings.engine.drain_seconds)
        if engines:
            await notary.try_to_make()
            with anyio.move_on_after(_LAST_PUSH_SECONDS):
                await head_push.push()
