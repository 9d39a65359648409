"""One drill, from its first request to what came of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import msgspec

from secondbasket.core.clock import now
from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillMoment, DrillPhase, DrillPlan, DrillReport
from secondbasket.core.receipt import Receipt
from secondbasket.egress.cuts import Cut, Cuts
from secondbasket.errors import BasketError, BudgetExceeded, InvalidRequest, UpstreamUnavailable
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.drills.canary import Canaries
from secondbasket.maas.drills.observed import Observed, from_error, from_receipt
from secondbasket.maas.drills.report import Moments, Papers, Score, make_report
from secondbasket.maas.drills.scene import HoldDown, Scene
from secondbasket.maas.drills.tally import Tally
from secondbasket.maas.gateway import Forbidden, Gateway

_LONGEST_SECONDS = 3600.0
_HIGHEST_RATE = 200.0
_BEFORE, _UNDER = 0.25, 0.5  # the rest is after
_MOMENT_SECONDS = 0.5
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What drills stand on. `gateway` makes one with a health of its own, for canary traffic;
    `loading`: is an engine of this basket on its way up? It may take `patience` seconds."""

    baskets: Baskets
    cuts: Cuts
    hold_down: HoldDown
    gateway: Callable[[], Gateway]
    forbidden: Forbidden
    score: Score
    currency: str
    version: str
    loading: Callable[[str], bool]
    patience: float


class Drill:
    """`tell` hears how far it has come. Raises InvalidRequest for a plan that makes no sense,
    ModelNotFound where there is no such basket."""

    def __init__(
        self, plan: DrillPlan, papers: Papers, ground: Ground, tell: Callable[[DrillMoment], None]
    ) -> None:
        self._ground = ground
        self._plan = plan
        self._papers = papers
        self._tell = tell
        self._data_class = _checked(plan)
        self._basket = ground.baskets.find(plan.basket)
        self._scene = Scene(
            [Cut.parse(text) for text in plan.cuts],
            live=plan.live,
            baskets=ground.baskets,
            forbidden=ground.forbidden,
        )
        self._scene.require_effect()
        self._tally = Tally()
        self._moments = Moments()
        self._phase: DrillPhase = "waiting"
        self._started = time.perf_counter()

    async def run(self) -> DrillReport:
        """Ask, take away, ask on, give back, ask on; returns once every request has ended.

        Raises UpstreamUnavailable where the basket does not get ready.
        """
        await self._until_ready()
        plan = self._plan
        self._started = time.perf_counter()
        self._moments.started_at = now()
        self._enter("before")
        async with anyio.create_task_group() as telling:
            telling.start_soon(self._keep_telling)
            async with anyio.create_task_group() as running:
                if plan.rate:
                    running.start_soon(self._send)
                await self._until(_BEFORE * plan.seconds)
                with self._scene.inflict(self._ground.cuts, self._ground.hold_down):
                    since = self._at
                    # Open-ended while it lasts: what ends now has met the cut.
                    self._tally.cut = (since, float("inf"))
                    self._moments.cut_at = now()
                    self._enter("cut")
                    await self._until((_BEFORE + _UNDER) * plan.seconds)
                self._tally.cut = (since, self._at)
                self._moments.restored_at = now()
                self._enter("after")
                await self._until(plan.seconds)
            telling.cancel_scope.cancel()
        self._moments.ended_at = now()
        report = make_report(
            plan,
            self._papers,
            self._moments,
            basket=self._basket,
            scene=self._scene,
            tally=self._tally,
            data_class=self._data_class,
            currency=self._ground.currency,
            score=self._ground.score,
            version=self._ground.version,
        )
        self._enter("done")
        return report

    def broken_off(self) -> None:
        """Tell that it ends before its end."""
        self._enter("broken off")

    def hear(self, receipt: Receipt) -> None:
        """A request of somebody else has ended: what a live drill is about."""
        if self._measures(receipt.basket):
            self._add(from_receipt(receipt, began=self._at - receipt.duration_ms / 1000))

    def miss(self, basket: str, error: BasketError) -> None:
        """Nobody was asked for a request of somebody else; its own faults do not count."""
        theirs = isinstance(error, InvalidRequest | BudgetExceeded)
        if self._measures(basket) and not theirs:
            self._add(from_error(error, began=self._at, ended=self._at))

    def _measures(self, basket: str) -> bool:
        running = self._phase in ("before", "cut", "after")
        return self._plan.live and running and basket == self._basket.name

    @property
    def _at(self) -> float:
        """Seconds since its start."""
        return time.perf_counter() - self._started

    async def _until(self, at: float) -> None:
        await anyio.sleep(max(0.0, at - self._at))

    async def _until_ready(self) -> None:
        """Whoever is still loading may finish: a second basket that is not up yet is one."""
        self._enter("waiting")
        with anyio.move_on_after(self._ground.patience):
            while self._ground.loading(self._plan.basket):  # noqa: ASYNC110 - a pace
                await anyio.sleep(_LOOK_SECONDS)
        self._basket = self._ground.baskets.find(self._plan.basket)
        if not self._basket.ready():
            raise UpstreamUnavailable(
                f"Nothing behind '{self._basket.name}' is ready: there is nothing to drill.",
                hint="`basket status` shows what is wrong.",
            )

    async def _send(self) -> None:
        canaries = Canaries(
            self._ground.gateway(),
            basket=self._basket.name,
            task=self._basket.task,
            data_class=self._data_class,
            currency=self._ground.currency,
            tell=self._add,
        )
        await canaries.send(self._plan.rate, self._plan.seconds, started=self._started)

    def _add(self, request: Observed) -> None:
        data_class = self._data_class
        if request.data_class:
            data_class = DataClass.parse(request.data_class)
            self._data_class = max(self._data_class, data_class)
        # From the cut on: a breaker that it opened outlasts it.
        met = self._tally.cut is not None and request.ended >= self._tally.cut[0]
        if (
            request.ending == "failed"
            and met
            and self._scene.refused_without(self._basket, data_class)
        ):
            # Who is left may not see such data: that is policy at work, not a failure.
            request = msgspec.structs.replace(request, ending="refused")
        if self._tally.cut is not None:
            request = request.met(self._tally.cut[0])
        self._tally.add(request)

    async def _keep_telling(self) -> None:
        while True:
            await anyio.sleep(_MOMENT_SECONDS)
            self._enter(self._phase)

    def _enter(self, phase: DrillPhase) -> None:
        self._phase = phase
        at = 0.0 if phase == "waiting" else self._at
        self._tell(self._tally.moment(self._papers.id, phase, at=at, seconds=self._plan.seconds))


def _checked(plan: DrillPlan) -> DataClass:
    """The class of its requests. Raises InvalidRequest."""
    if not plan.cuts:
        raise InvalidRequest(
            "A drill needs something to cut.", hint="Name it with --cut KIND:NAME."
        )
    if not 1 <= plan.seconds <= _LONGEST_SECONDS:
        raise InvalidRequest(f"A drill takes 1 to {_LONGEST_SECONDS:.0f} seconds.", param="seconds")
    if not 0 <= plan.rate <= _HIGHEST_RATE:
        raise InvalidRequest(
            f"A drill sends at most {_HIGHEST_RATE:.0f} requests a second.", param="rate"
        )
    if not plan.rate and not plan.live:
        raise InvalidRequest("A drill on canary traffic sends requests of its own.", param="rate")
    if not 0 <= plan.target <= 100:
        raise InvalidRequest("The target is a percentage.", param="target")
    try:
        return DataClass.parse(plan.data_class)
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.", param="data_class") from exc
