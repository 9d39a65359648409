"""All drills of this process: one at a time, followed by whoever likes, kept and on the books."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from secondbasket.core.decision import Decision
from secondbasket.core.drill import DrillMoment, DrillOutcome, DrillPlan, DrillReport, DrillRow
from secondbasket.core.ids import new_id
from secondbasket.core.receipt import Receipt
from secondbasket.errors import BasketError, Conflict, NotFound, StoreError
from secondbasket.ledger.audit import REPORT
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing import document_digest
from secondbasket.maas.account import Account
from secondbasket.maas.drills.drill import Drill, Ground
from secondbasket.maas.drills.page import make_page
from secondbasket.maas.drills.report import Papers
from secondbasket.maas.drills.shelf import Shelf

KIND = "drill"

log = logging.getLogger(__name__)

_MOST_LOADED = 1000

Sign = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Signs a document of a kind. Raises StoreError."""


class Running:
    """A drill that was started. `moments` are all it has told so far."""

    def __init__(self, plan: DrillPlan, papers: Papers, ground: Ground) -> None:
        self.id = papers.id
        self.plan = plan
        self.papers = papers
        self.moments: list[DrillMoment] = []
        self.report: dict[str, Any] | None = None
        self.error: BasketError | None = None
        self.ended = False
        self.scope = anyio.CancelScope()
        self.drill = Drill(plan, papers, ground, self._tell)
        self._changed = anyio.Event()

    def stop(self) -> None:
        """Break it off: what was cut is given back, and no report is made."""
        self.scope.cancel()

    async def follow(self) -> AsyncIterator[DrillMoment]:
        """Every moment from its first to its last, those to come as they come."""
        seen = 0
        while seen < len(self.moments) or not self.ended:
            if seen == len(self.moments):
                await self._changed.wait()
                continue
            yield self.moments[seen]
            seen += 1

    def result(self) -> dict[str, Any]:
        """The signed report of one that has ended. Raises what ended it before."""
        if self.error is not None:
            raise self.error
        if self.report is None:
            raise Conflict("The drill was broken off; what was cut is back.")
        return self.report

    def end(self) -> None:
        self.ended = True
        self._notify()

    def _tell(self, moment: DrillMoment) -> None:
        self.moments.append(moment)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Drills:
    """Drills are started here while `run` runs. `basket` is the one drilled where none is named.

    Once `load` was called, `latest` is the last drill of each basket, and
    `last_scheduled` that of each name in the settings.
    """

    def __init__(
        self, ground: Ground, *, shelf: Shelf, ledger: Ledger, sign: Sign, basket: str
    ) -> None:
        self.running: Running | None = None
        self.latest: dict[str, DrillRow] = {}
        self.last_scheduled: dict[str, DrillRow] = {}
        self._ground = ground
        self._shelf = shelf
        self._ledger = ledger
        self._sign = sign
        self._basket = basket
        self._tasks: TaskGroup | None = None

    async def load(self) -> None:
        """Take the last drills from the ledger. Raises StoreError."""
        for row in reversed(await self.rows(limit=_MOST_LOADED)):
            self._remember(row)

    def _remember(self, row: DrillRow) -> None:
        self.latest[row.basket] = row
        if row.schedule:
            self.last_scheduled[row.schedule] = row

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, which breaks off what runs."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            await anyio.sleep_forever()

    def start(self, plan: DrillPlan) -> Running:
        """Begin a drill; it goes on whoever follows it.

        Raises Conflict while another runs, InvalidRequest for a plan that makes
        no sense, ModelNotFound.
        """
        if self.running is not None or self._tasks is None:
            raise Conflict(
                "Another drill is running." if self.running else "The server is just starting.",
                hint="Two at a time would measure each other: wait until it has ended.",
            )
        plan = msgspec.structs.replace(plan, basket=plan.basket or self._basket)
        name = new_id(KIND)
        papers = Papers(
            id=name,
            report=str(self._shelf.report_file(name)),
            page=str(self._shelf.page_file(name)),
            decision=new_id("dec"),
        )
        running = self.running = Running(plan, papers, self._ground)
        self._tasks.start_soon(self._run, running, name=name)
        return running

    def stop(self) -> None:
        """Break off the drill that runs, if one does."""
        if self.running is not None:
            self.running.stop()

    def find(self, drill: str) -> Running:
        """The drill that runs under this id. Raises NotFound."""
        if self.running is None or self.running.id != drill:
            raise NotFound(f"No drill '{drill[:64]}' is running.")
        return self.running

    async def rows(self, *, limit: int = 100) -> Sequence[DrillRow]:
        """The latest drills that the ledger knows, newest first."""
        return [_row(each) for each in await self._ledger.decisions(limit=limit, kind=KIND)]

    async def show(self, drill: str) -> dict[str, Any]:
        """The signed report of a drill. Raises NotFound, StoreError."""
        return await anyio.to_thread.run_sync(self._shelf.report, drill)

    async def page(self, drill: str) -> bytes:
        """The report as a page of HTML that stands alone. Raises NotFound, StoreError."""
        return await anyio.to_thread.run_sync(self._shelf.page, drill)

    def hear(self, receipt: Receipt) -> None:
        """Somebody's request has ended: a live drill counts it."""
        if self.running is not None:
            self.running.drill.hear(receipt)

    def miss(self, account: Account, error: BasketError) -> None:
        """Nobody was asked for somebody's request: a live drill counts it."""
        if self.running is not None:
            self.running.drill.miss(account.basket, error)

    async def _run(self, running: Running) -> None:
        try:
            with running.scope:
                report = await running.drill.run()
                with anyio.CancelScope(shield=True):
                    await self._keep(running, report)
        except BasketError as error:
            running.error = error
        except Exception:
            # The edge of a drill: what is wrong in it must not take the server along.
            reference = new_id("err")
            log.exception("unexpected error %s", reference)
            running.error = BasketError(
                f"Something went wrong in the drill; the server's log knows it as {reference}."
            )
        finally:
            # Also where the server is stopping: the books say that it began and did not end.
            self.running = None
            if running.report is None:
                self._break_off(running)
            running.end()

    async def _keep(self, running: Running, report: DrillReport) -> None:
        plain = msgspec.json.decode(msgspec.json.encode(report))
        document = await self._sign(REPORT, plain)
        page = make_page(report, document)
        await anyio.to_thread.run_sync(self._shelf.put, report.id, document, page)
        outcome: DrillOutcome = "passed" if report.passed else "failed"
        self._record(
            running,
            outcome,
            sha256=document_digest(document),
            answered_percent=f"{report.answered_percent:g}",
            switch_ms_p95="" if report.switch_ms_p95 is None else f"{report.switch_ms_p95:g}",
        )
        running.report = document

    def _break_off(self, running: Running) -> None:
        running.drill.broken_off()
        try:
            error = "" if running.error is None else running.error.code
            self._record(running, "broken_off", error=error)
        except StoreError as exc:
            log.error("the drill %s was broken off, and is not on the books: %s", running.id, exc)

    def _record(self, running: Running, outcome: DrillOutcome, **detail: str) -> None:
        plan = running.plan
        decision = Decision(
            id=running.papers.decision,
            kind=KIND,
            subject=plan.basket,
            outcome=outcome,
            detail={
                "drill": running.id,
                "cuts": msgspec.json.encode(plan.cuts).decode(),
                "live": "yes" if plan.live else "no",
                "schedule": plan.schedule,
                **detail,
            },
        )
        self._ledger.record_decision(decision)
        self._remember(_row(decision))


def _row(decision: Decision) -> DrillRow:
    detail = decision.detail
    return DrillRow(
        drill=detail.get("drill", ""),
        at=decision.at,
        basket=decision.subject,
        cuts=msgspec.json.decode(detail.get("cuts", "[]"), type=tuple[str, ...]),
        live=detail.get("live") == "yes",
        schedule=detail.get("schedule", ""),
        outcome=msgspec.convert(decision.outcome, DrillOutcome),
        answered_percent=_number(detail.get("answered_percent")),
        switch_ms_p95=_number(detail.get("switch_ms_p95")),
        sha256=detail.get("sha256", ""),
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None
