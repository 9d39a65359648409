"""Drills end to end: real sockets, real resets, signed reports, and everything given back."""

import html
import re
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from secondbasket.core.chat import ChatRequest, Message
from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillPlan, DrillReport
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.rules import BasketRules
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import Conflict, InvalidRequest, ModelNotFound, NotFound, UpstreamError
from secondbasket.ledger.audit import REPORT
from secondbasket.ledger.signing import check_document, document_digest
from secondbasket.maas.drills.drills import Drills
from secondbasket.stores.database import Database
from tests.integration.maas.drills.house import House, house

pytestmark = pytest.mark.anyio

CUT_US = DrillPlan(cuts=("law:US",), seconds=2, rate=20)


async def run(drills: Drills, plan: DrillPlan) -> dict[str, Any]:
    running = drills.start(plan)
    async for _ in running.follow():
        pass
    return running.result()


def decoded(document: dict[str, Any]) -> DrillReport:
    return msgspec.convert(document, DrillReport)


async def test_the_other_basket_answers_everything(database: Database, tmp_path: Path) -> None:
    async with house(tmp_path, database) as home:
        document = await run(home.drills, CUT_US)
        report = decoded(document)
        assert (report.requests, report.answered, report.answered_percent) == (40, 40, 100)
        assert report.passed
        assert (report.failed, report.refused_by_policy, report.streams_broken) == (0, 0, 0)
        assert report.answered_percent_cut == 100
        us, eu = report.upstreams
        assert (us.upstream, us.law, us.cut) == ("us", "US", True)
        assert (eu.upstream, eu.law, eu.cut) == ("eu", "EU", False)
        assert us.answered > 0
        assert us.failed > 0
        assert eu.answered > 10
        assert eu.failed == 0
        # What met the cut was switched; five failures in a row open the breaker, then nobody is.
        assert report.switches == len(report.switch_times) > 0
        assert report.streams_continued > 0
        assert report.switch_ms_p50 is not None
        assert report.switch_ms_p95 is not None
        assert 0 < report.switch_ms_p50 <= report.switch_ms_p95 < 1000
        assert [each.basket for each in report.would_have_stopped] == ["alone"]
        assert report.parity.note.startswith("not measured for eu, us")
        # The second is twice the price.
        assert report.cost.total == sum(each.cost for each in await home.ledger.rows(limit=1000))
        assert report.cost.difference_percent is not None
        assert report.cost.difference_percent > 0
        (spent,) = await home.ledger.usage(group_by=["key"])
        assert (spent.key_id, spent.cost) == ("drill", report.cost.total)
        assert set(report.timeline[0].answered_by) == {"us", "eu"}
        assert sum(sum(each.answered_by.values()) for each in report.timeline) == 40
        assert report.started_at < report.cut_at < report.restored_at <= report.ended_at


async def test_the_report_is_signed_kept_and_on_the_books(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        document = await run(home.drills, CUT_US)
        report = decoded(document)
        content, _ = check_document(REPORT, document, [home.signer.public_key])
        assert msgspec.convert(content, DrillReport) == report
        file, printed = anyio.Path(report.report), anyio.Path(report.page)
        assert msgspec.json.decode(await file.read_bytes()) == document
        assert await home.drills.show(report.id) == document
        (decision,) = await home.ledger.decisions(kind="drill")
        assert decision.id == report.decision
        assert (decision.subject, decision.outcome) == ("b", "passed")
        assert decision.detail["sha256"] == document_digest(document)
        (row,) = await home.drills.rows()
        assert (row.drill, row.cuts, row.answered_percent) == (report.id, ("law:US",), 100)
        assert (await file.stat()).st_mode & 0o777 == 0o600
        page = (await home.drills.page(report.id)).decode()
        assert await printed.read_text() == page
        assert "<svg" in page
        assert "100 % of\n40 requests" in page
        assert document_digest(document) in page
        # Nothing of it comes from elsewhere, and nothing in it runs.
        assert not re.search(r"(?:src|href)\s*=|url\(|@import|<script|<link", page)


async def test_nobody_left_is_not_passed_and_says_what_would_stop(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        plan = DrillPlan(cuts=("law:us", "vendor:vendor EU"), seconds=4, rate=10)
        report = decoded(await run(home.drills, plan))
        assert not report.passed
        assert 0 < report.answered_percent < 100
        assert report.failed == report.requests - report.answered
        assert sum(report.errors.values()) == report.failed
        assert {each.basket for each in report.would_have_stopped} == {"b", "alone"}
        (decision,) = await home.ledger.decisions(kind="drill")
        assert decision.outcome == "failed"


async def test_what_policy_holds_back_is_refused_and_never_sent(
    database: Database, tmp_path: Path
) -> None:
    def forbidden(data_class: DataClass, facts: UpstreamFacts) -> str | None:
        if data_class >= DataClass.CONFIDENTIAL and facts.law == "EU":
            return "confidential data stays under US law"
        return None

    async with house(tmp_path, database, forbidden=forbidden) as home:
        plan = DrillPlan(cuts=("law:US",), seconds=1, rate=20, data_class="confidential")
        report = decoded(await run(home.drills, plan))
        assert not report.passed
        assert report.refused_by_policy > 0
        assert report.failed == 0
        assert report.requests == report.answered + report.refused_by_policy
        assert home.eu.exchanges == []
        stopped = {each.basket: each.data_classes for each in report.would_have_stopped}
        assert stopped["b"] == ("confidential", "secret")


KEY = Key(
    id="key_1",
    name="ann",
    role="user",
    budget=None,
    currency="USD",
    created_at="2026-11-22T00:00:00.000Z",
)


async def ask(home: House, *, stream: bool = False) -> str:
    """Who answered a request of somebody who has nothing to do with drills."""
    request = ChatRequest(
        model="b", messages=(Message(role="user", content="hello"),), stream=stream
    )
    async with await home.gateway.chat(KEY, request) as answer:
        async for _ in answer:
            pass
    return answer.finished.upstream


async def test_its_last_moment_says_what_its_report_says(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        async for _ in running.follow():
            pass
        moment, report = running.moments[-1], decoded(running.result())
        assert moment.phase == "done"
        assert moment.switch_ms_p95 is not None
        for field in (
            "requests",
            "answered",
            "failed",
            "refused_by_policy",
            "switch_ms_p50",
            "switch_ms_p95",
            "streams_continued",
            "streams_broken",
        ):
            assert getattr(moment, field) == getattr(report, field), field


async def test_others_notice_nothing_of_a_drill_on_canary_traffic(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        answered: list[str] = []
        async for moment in running.follow():
            if moment.phase == "cut":
                answered.append(await ask(home, stream=len(answered) % 2 == 0))
        assert len(answered) >= 2
        assert set(answered) == {"us"}
        assert home.health.of("us").state == "closed"
        assert home.health.of("us").failure_share == 0
        assert decoded(running.result()).passed


async def test_a_live_drill_cuts_and_counts_the_requests_of_others(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(DrillPlan(cuts=("law:US",), seconds=2, rate=0, live=True))
        answered: dict[str, list[str]] = {"before": [], "cut": [], "after": []}
        async for moment in running.follow():
            if moment.phase in answered:
                answered[moment.phase].append(await ask(home))
        assert set(answered["before"]) == {"us"}
        assert set(answered["cut"]) == {"eu"}
        report = decoded(running.result())
        assert report.live
        assert report.requests == report.answered >= 3
        assert report.switches >= 1
        assert home.health.of("us").failure_share >= 0


async def test_a_live_drill_counts_those_whom_nobody_was_left_to_answer(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        plan = DrillPlan(cuts=("law:US", "law:EU"), seconds=3, rate=0, live=True)
        running = home.drills.start(plan)
        failures = 0
        async for moment in running.follow():
            if moment.phase == "cut":
                for _ in range(20):  # until both breakers are open, and then some
                    with pytest.raises(UpstreamError):
                        await ask(home)
                    failures += 1
        report = decoded(running.result())
        assert report.failed == report.requests == failures
        assert report.errors["upstream_unavailable"] > 0
        assert not report.passed


async def test_a_drill_that_is_broken_off_gives_back_and_is_on_the_books(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        async for moment in running.follow():
            if moment.phase == "cut":
                running.stop()
        assert running.moments[-1].phase == "broken off"
        with pytest.raises(Conflict, match="broken off"):
            running.result()
        assert not home.cuts._inflicted
        (decision,) = await home.ledger.decisions(kind="drill")
        assert decision.outcome == "broken_off"
        assert list(home.folder.glob("*")) == []
        # Another can begin.
        assert decoded(await run(home.drills, msgspec.structs.replace(CUT_US, seconds=1))).passed


async def test_a_fault_in_a_drill_gives_back_and_leaves_the_server_alone(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_basket: str, _upstream: str) -> float | None:
        raise RuntimeError("a bug")

    async with house(tmp_path, database, score=broken) as home:
        running = home.drills.start(msgspec.structs.replace(CUT_US, seconds=1))
        async for _ in running.follow():
            pass
        with pytest.raises(Exception, match="the server's log knows it as err_"):
            running.result()
        assert "a bug" in caplog.text
        assert not home.cuts._inflicted
        assert await ask(home) == "us"


async def test_the_end_of_the_server_ends_it_and_gives_back(
    database: Database, tmp_path: Path
) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        async for moment in running.follow():
            if moment.phase == "cut":
                break
        cuts = home.cuts
    assert not cuts._inflicted
    assert running.ended


async def test_one_at_a_time(database: Database, tmp_path: Path) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        with pytest.raises(Conflict, match="Another drill"):
            home.drills.start(CUT_US)
        assert home.drills.find(running.id) is running
        running.stop()
        async for _ in running.follow():
            pass
        with pytest.raises(NotFound):
            home.drills.find(running.id)


@pytest.mark.parametrize(
    ("plan", "error", "told"),
    [
        (DrillPlan(cuts=()), InvalidRequest, "something to cut"),
        (DrillPlan(cuts=("law:FR",)), InvalidRequest, "law:EU, law:US"),
        (DrillPlan(cuts=("law",)), InvalidRequest, "KIND:NAME"),
        (DrillPlan(cuts=("law:US",), basket="none"), ModelNotFound, "none"),
        (DrillPlan(cuts=("law:US",), seconds=float("nan")), InvalidRequest, "seconds"),
        (DrillPlan(cuts=("law:US",), rate=0), InvalidRequest, "requests of its own"),
        (DrillPlan(cuts=("law:US",), rate=1e9), InvalidRequest, "200"),
        (DrillPlan(cuts=("law:US",), target=101), InvalidRequest, "percentage"),
        (DrillPlan(cuts=("law:US",), data_class="top"), InvalidRequest, "confidential"),
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(
    database: Database, tmp_path: Path, plan: DrillPlan, error: type[Exception], told: str
) -> None:
    async with house(tmp_path, database) as home:
        with pytest.raises(error, match=told):
            home.drills.start(plan)
        assert home.drills.running is None


async def test_names_of_others_are_text_in_the_page(database: Database, tmp_path: Path) -> None:
    async with house(tmp_path, database) as home:
        plan = DrillPlan(cuts=("law:US",), seconds=1, rate=10, schedule="<script>alert(1)</script>")
        report = decoded(await run(home.drills, plan))
        page = (await home.drills.page(report.id)).decode()
        assert "<script" not in page
        assert html.escape(plan.schedule) in page


async def test_only_the_newest_reports_are_kept(database: Database, tmp_path: Path) -> None:
    async with house(tmp_path, database, keep=2) as home:
        plan = msgspec.structs.replace(CUT_US, seconds=1, rate=5)
        ids = [decoded(await run(home.drills, plan)).id for _ in range(3)]
        kept = {f"{drill}{kind}" for drill in ids[1:] for kind in (".json", ".html")}
        assert {path.name for path in home.folder.iterdir()} == kept
        assert [row.drill for row in await home.drills.rows()] == ids[::-1]
        with pytest.raises(NotFound, match="oldest are not kept"):
            await home.drills.show(ids[0])


@pytest.mark.parametrize(
    "drill",
    [
        "../secrets/signing",
        "drill_../../x",
        "drill_" + "0" * 25,
        "drill_" + "0" * 26 + "\n",
        "",
        "drill_" + "I" * 26,
        "/etc/passwd",
    ],
)
async def test_no_id_leads_out_of_the_folder(
    database: Database, tmp_path: Path, drill: str
) -> None:
    async with house(tmp_path, database) as home:
        for read in (home.drills.show, home.drills.page):
            with pytest.raises(NotFound):
                await read(drill)


async def test_the_parity_of_who_answers_is_compared(database: Database, tmp_path: Path) -> None:
    scores = {"us": 0.9, "eu": 0.8}
    async with house(tmp_path, database, score=lambda _, upstream: scores[upstream]) as home:
        report = decoded(await run(home.drills, CUT_US))
        assert report.parity.note == ""
        assert report.parity.score is not None
        assert report.parity.score_cut is not None
        assert 0.8 < report.parity.score <= 0.9
        assert 0.8 <= report.parity.score_cut < 0.9
        assert report.parity.difference is not None
        assert report.parity.difference < 0


async def test_streams_that_may_not_go_on_are_told_as_broken(
    database: Database, tmp_path: Path
) -> None:
    rules = BasketRules(continuation="none")
    async with house(tmp_path, database, rules=rules) as home:
        report = decoded(await run(home.drills, msgspec.structs.replace(CUT_US, rate=40)))
        assert report.streams_continued == 0
        assert report.streams_broken > 0
        assert not report.passed


async def test_a_cut_reaches_its_own_traffic_only(database: Database, tmp_path: Path) -> None:
    async with house(tmp_path, database) as home:
        running = home.drills.start(CUT_US)
        async for moment in running.follow():
            if moment.phase == "cut":
                break
        facts = next(each.facts for each in home.drills._ground.baskets.find("b").upstreams)
        assert not home.cuts.severed(facts)
        current_traffic.set(Traffic(canary=True))
        assert home.cuts.severed(facts)
        running.stop()
        await anyio.lowlevel.checkpoint()
