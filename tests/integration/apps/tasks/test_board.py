"""Tasks on both databases, worked on by a real shift: plans, effects, approvals, pauses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.timer import Timer
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.task import Approval, Called, Order
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from secondbasket.stores.database import Database
from tests.integration.apps.tasks.crews import ADMIN, STRANGER, USER, Office, Trace, office

FIXED = """---
name: poster
role: poster of letters
tools: [post.letter]
autonomy: {default: AUTONOMY}
plan:
  - id: letters
    each: "['one', 'two']"
    tool: post.letter
    arguments: {text: "{{ task.text }} {{ item }}"}
    checks: [{is: said}]
---
"""
PLANNING = """---
name: thinker
role: thinker
tools: [post.letter]
autonomy: {default: act}
---
Post letters.
"""


@pytest.fixture
async def trace(tmp_path: Path) -> Trace:
    return Trace("post.letter", tmp_path / "posted")


def posted(home: Path) -> list[str]:
    file = home / "posted"
    return (
        [line.partition(" ")[2] for line in file.read_text().splitlines()] if file.exists() else []
    )


async def test_a_fixed_plan_is_worked_to_its_end_without_a_model(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        assert (task.state, task.owner) == ("queued", USER.id)
        done = await place.board.wait(USER, task.id, 20)
        assert done.state == "done", done
        shown = await place.board.show(USER, task.id)
        assert [type(each.entry).__name__ for each in shown.steps] == [
            "Planned",
            "Called",
            "Called",
        ]
        assert [each.state for each in shown.effects] == ["done", "done"]
        assert len({each.key for each in shown.effects}) == 2
        assert posted(tmp_path) == ["hello one", "hello two"]
        assert not place.mind.asked
        with pytest.raises(NotFound):
            await place.board.show(STRANGER, task.id)
        assert await place.board.list(STRANGER) == []
        assert [each.id for each in await place.board.list(ADMIN)] == [task.id]


async def test_a_tool_is_told_what_its_task_has_read(database: Database, tmp_path: Path) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    trace = Trace("post.letter", tmp_path / "posted", data_class=DataClass.SECRET)
    async with office(database, tmp_path, [trace], workers=workers) as place:
        order = Order(text="hello", worker="poster", data_class="confidential")
        task = await place.board.add(USER, order)
        assert (await place.board.wait(USER, task.id, 20)).state == "done"
    assert trace.classes == [DataClass.CONFIDENTIAL, DataClass.SECRET]


async def test_a_call_waits_for_exactly_one_yes(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "ask")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        waiting = await place.board.wait(USER, task.id, 20)
        assert waiting.state == "waiting"
        [asked] = await place.board.approvals(USER)
        assert asked.id in waiting.reason
        assert await place.board.approvals(STRANGER) == []
        with pytest.raises(NotFound):
            await place.board.answer(STRANGER, asked.id, yes=True)
        await place.board.answer(USER, asked.id, yes=True)
        with pytest.raises(Conflict):
            await place.board.answer(USER, asked.id, yes=True)
        second = await next_approval(place, asked.id)
        await place.board.answer(USER, second.id, yes=False, note="Not this one.")
        done = await place.board.wait(USER, task.id, 20)
        assert posted(tmp_path) == ["hello one"]
        assert done.state == "done"
        shown = await place.board.show(USER, task.id)
        assert {each.state for each in shown.approvals} == {"consumed", "rejected"}
        last = shown.steps[-1].entry
        assert isinstance(last, Called)
        assert "Not this one." in last.error


async def next_approval(place: Office, before: str) -> Approval:
    with anyio.fail_after(20):
        while True:
            found = [a for a in await place.board.approvals(USER) if a.id != before]
            if found:
                return found[0]
            await anyio.sleep(0.05)


async def test_a_model_plans_acts_and_finishes(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    texts = [
        "no plan",
        '```json\n{"steps": [{"goal": "Post it."}]}\n```',
        '{"tool": "post.letter", "arguments": {"text": "hi"}}',
        '{"tool": "post.letter", "arguments": {"text": "hi"}}',
        '{"finish": "It is posted."}',
    ]
    async with office(
        database, tmp_path, [trace], workers={"thinker": PLANNING}, texts=texts
    ) as place:
        task = await place.board.add(USER, Order(text="Say hi.", worker="thinker"))
        done = await place.board.wait(USER, task.id, 20)
        assert done.state == "done", done
        assert posted(tmp_path) == ["hi"]  # what it asked for twice was done once
        assert (done.input_tokens, done.output_tokens, done.cost) == (50, 25, 35)


async def test_a_model_that_goes_in_circles_is_stopped(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    call = '{"tool": "post.letter", "arguments": {"text": "hi"}}'
    plan = '{"steps": [{"goal": "Post it."}]}'
    async with office(
        database,
        tmp_path,
        [trace],
        workers={"thinker": PLANNING},
        texts=[plan, call, call, call, plan, call, call, call],
    ) as place:
        task = await place.board.add(USER, Order(text="Say hi.", worker="thinker"))
        failed = await place.board.wait(USER, task.id, 20)
        assert failed.state == "failed"
        assert "again and again" in failed.reason
        assert posted(tmp_path) == ["hi"]


async def test_an_outage_parks_and_a_resume_goes_on(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    texts: list[str | Halt] = [
        Halt(state="parked", reason="no model answers: none"),
        '{"steps": [{"goal": "Post it."}]}',
        '{"finish": "Nothing to post."}',
    ]
    async with office(
        database, tmp_path, [trace], workers={"thinker": PLANNING}, texts=texts
    ) as place:
        task = await place.board.add(USER, Order(text="Say hi.", worker="thinker"))
        with anyio.fail_after(20):
            while (await place.records.find(task.id)).task.state != "parked":  # noqa: ASYNC110 - a pace
                await anyio.sleep(0.05)
        await place.board.resume(USER, task.id)
        done = await place.board.wait(USER, task.id, 20)
        assert (done.state, done.run) == ("done", 2)


async def test_bad_orders_are_refused_and_leave_nothing(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act"), "broken": "no header"}
    async with office(database, tmp_path, [trace], workers=workers, working=False) as place:
        good = Order(text="hello", worker="poster")
        for wrong, error in (
            (Order(text=" ", worker="poster"), InvalidRequest),
            (Order(text="x" * 20_001, worker="poster"), InvalidRequest),
            (Order(text="x", worker="nobody"), NotFound),
            (Order(text="x", worker="broken"), InvalidRequest),
            (Order(text="x", worker="poster", deadline="tomorrow"), InvalidRequest),
            (Order(text="x", worker="poster", deadline="2020-01-01T00:00:00Z"), InvalidRequest),
            (Order(text="x", worker="poster", data_class="hidden"), InvalidRequest),
            (Order(text="x", worker="poster", after=("task_none",)), NotFound),
        ):
            with pytest.raises(error):
                await place.board.add(USER, wrong)
        with pytest.raises(InvalidRequest):
            await place.board.add(USER, good, {"../escape": tmp_path / "workers" / "poster.md"})
        assert await place.board.list(ADMIN) == []


SCHEDULED = """---
name: nightly
role: worker by night
tools: [post.letter]
autonomy: {default: act}
schedules: [{cron: "* * * * *", task: "By night."}]
plan: [{id: a, tool: post.letter, arguments: {text: "{{ task.text }}"}}]
---
"""


async def test_what_falls_due_becomes_one_task_whoever_looks(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"nightly": SCHEDULED}
    async with office(database, tmp_path, [trace], workers=workers, working=False) as place:
        later = datetime.now(UTC) + timedelta(minutes=2)

        async def owner() -> Key:
            return ADMIN

        def timer(at: datetime) -> Timer:
            return Timer(place.board, place.roster, owner=owner, now=lambda: at)

        await timer(datetime.now(UTC) - timedelta(days=1)).look()
        assert await place.board.list(ADMIN) == []  # it was not there then
        for _ in range(2):  # two processes, or one that died and was started again
            await timer(later).look()
        [task] = await place.board.list(ADMIN)
        assert (task.text, task.worker, task.owner) == ("By night.", "nightly", ADMIN.id)
        await timer(later + timedelta(minutes=1)).look()
        assert len(await place.board.list(ADMIN)) == 2


LONG = """---
name: long
role: worker at length
tools: [post.letter]
autonomy: {default: act}
limits: {steps: 3}
plan:
  - {id: a, each: "[0, 1, 2, 3]", tool: post.letter, arguments: {text: "{{ item | string }}"}}
---
"""


async def test_a_limit_parks_and_more_of_it_lets_go_on(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    async with office(database, tmp_path, [trace], workers={"long": LONG}) as place:
        task = await place.board.add(USER, Order(text="x", worker="long"))
        await until(place, task.id, "parked")
        assert (await place.records.find(task.id)).task.reason == "its limit of 3 steps"
        await place.board.resume(USER, task.id)
        await until(place, task.id, "parked")
        await place.board.resume(USER, task.id, more=MoreLimits(steps=9))
        assert (await place.board.wait(USER, task.id, 20)).state == "done"
        assert posted(tmp_path) == ["0", "1", "2", "3"]


async def test_what_is_cancelled_in_the_middle_of_its_last_step_stays_so(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    trace.go_on = anyio.Event()
    workers = {"poster": FIXED.replace("AUTONOMY", "act").replace("['one', 'two']", "['one']")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        with anyio.fail_after(20):
            await trace.entered.wait()
        assert (await place.board.cancel(USER, task.id)).state == "cancelled"
        trace.go_on.set()
        with anyio.fail_after(20):
            while not (await place.effects.of(task.id))[0].ended_at:  # noqa: ASYNC110 - a pace
                await anyio.sleep(0.05)
        await anyio.sleep(0.5)
        assert (await place.records.find(task.id)).task.state == "cancelled"


async def test_whoever_leaves_takes_their_tasks_along(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers, keys={}) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        ended = await place.board.wait(USER, task.id, 20)
        assert (ended.state, posted(tmp_path)) == ("cancelled", [])


async def test_the_one_switch_stops_all_and_starts_all(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        with pytest.raises(PermissionDenied):
            await place.board.switch(USER, off=True)
        await place.board.switch(ADMIN, off=True)
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        await anyio.sleep(1.5)
        assert (await place.records.find(task.id)).task.state == "queued"
        await place.board.switch(ADMIN, off=False)
        assert (await place.board.wait(USER, task.id, 20)).state == "done"
        assert [each.kind for each in place.decisions] == [
            "workers_paused",
            "task_added",
            "workers_started",
        ]


async def until(place: Office, task: str, state: str) -> None:
    with anyio.fail_after(20):
        while (await place.records.find(task)).task.state != state:  # noqa: ASYNC110 - a pace
            await anyio.sleep(0.05)


async def test_an_answer_before_the_task_was_put_down_is_not_lost(
    database: Database, tmp_path: Path, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "ask").replace("['one', 'two']", "['one']")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        ask = place.approvals.ask

        async def answered_at_once(*args: Any, **kwargs: Any) -> Approval:
            asked = await ask(*args, **kwargs)
            await place.board.answer(USER, asked.id, yes=True)
            return asked

        monkeypatch.setattr(place.approvals, "ask", answered_at_once)
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        await until(place, task.id, "done")
        assert posted(tmp_path) == ["hello one"]


async def test_a_key_stands_for_one_order_and_lists_are_paged(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers, working=False) as place:
        order = Order(text="hello", worker="poster", key="once", priority=2)
        first = await place.board.add(USER, order)
        assert (await place.board.add(USER, order)).id == first.id
        others: list[dict[str, Any]] = [
            {"text": "bye"},
            {"priority": 3},
            {"deadline": "2999-01-01T00:00:00Z"},
        ]
        for other in others:
            with pytest.raises(Conflict, match="another order"):
                await place.board.add(USER, msgspec.structs.replace(order, **other))
        ids = [first.id]
        ids += [
            (await place.board.add(USER, Order(text=f"{n}", worker="poster"))).id for n in range(4)
        ]
        seen: list[str] = []
        while page := await place.board.list(USER, before=seen[-1] if seen else "", limit=2):
            seen += [each.id for each in page]
        assert seen == ids[::-1]
        other_key = msgspec.structs.replace(USER, id="key_other")
        with pytest.raises(NotFound):
            await place.board.list(other_key, before=first.id)


async def test_a_tool_that_hangs_when_asked_what_came_of_it_holds_nobody_up(
    database: Database, tmp_path: Path
) -> None:
    class Hanging(Trace):
        async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
            await anyio.sleep(3600)
            return await super().reconcile(call)

    trace = Hanging("post.letter", tmp_path / "posted", limit_seconds=1.0)
    trace.go_on = anyio.Event()  # never set
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        with anyio.fail_after(20):
            await trace.entered.wait()
        await place.board.cancel(USER, task.id)
        with anyio.fail_after(10):
            while not (effects := await place.effects.of(task.id))[0].ended_at:  # noqa: ASYNC110 - a pace
                await anyio.sleep(0.05)
        assert effects[0].state == "uncertain"


async def test_what_comes_after_a_failure_waits_until_that_is_reworked(
    database: Database, tmp_path: Path, trace: Trace
) -> None:
    workers = {"poster": FIXED.replace("AUTONOMY", "act"), "long": LONG}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        first = await place.board.add(USER, Order(text="first", worker="long"))
        await until(place, first.id, "parked")
        order = Order(text="second", worker="poster", after=(first.id,))
        second = await place.board.add(USER, order)
        await place.board.cancel(USER, first.id)
        await until(place, second.id, "waiting")
        reason = (await place.records.find(second.id)).task.reason
        assert first.id in reason
        assert "cancelled" in reason
        again = await place.board.rework(USER, first.id, "Fewer.")
        await until(place, again.id, "parked")
        waiting = (await place.records.find(second.id)).task
        assert (waiting.state, waiting.after, waiting.reason) == ("queued", (again.id,), "")
        await place.board.resume(USER, again.id, more=MoreLimits(steps=9))
        assert (await place.board.wait(USER, second.id, 20)).state == "done"
        assert "second one" in posted(tmp_path)


@pytest.mark.parametrize(
    ("knows", "state"), [(True, "done"), (False, "uncertain")], ids=["knows", "cannot tell"]
)
async def test_cancelling_breaks_a_call_off_and_tells_what_came_of_it(
    database: Database, tmp_path: Path, knows: bool, state: str
) -> None:
    trace = Trace("post.letter", tmp_path / "posted", knows=knows)
    trace.go_on = anyio.Event()  # never set: the tool hangs after its deed
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        with anyio.fail_after(20):
            await trace.entered.wait()
        await place.board.cancel(USER, task.id)
        with anyio.fail_after(2):
            while (await place.effects.of(task.id))[0].state == "intended":  # noqa: ASYNC110 - a pace
                await anyio.sleep(0.05)
        [effect] = await place.effects.of(task.id)
        assert effect.state == state
        assert (await place.records.find(task.id)).task.state == "cancelled"
        assert posted(tmp_path) == ["hello one"]


@pytest.mark.parametrize("everybody", [False, True], ids=["pause", "the one switch"])
async def test_a_pause_breaks_a_call_off_and_nothing_is_done_twice(
    database: Database, tmp_path: Path, trace: Trace, everybody: bool
) -> None:
    trace.go_on = anyio.Event()
    workers = {"poster": FIXED.replace("AUTONOMY", "act")}
    async with office(database, tmp_path, [trace], workers=workers) as place:
        task = await place.board.add(USER, Order(text="hello", worker="poster"))
        with anyio.fail_after(20):
            await trace.entered.wait()
        if everybody:
            await place.board.switch(ADMIN, off=True)
        else:
            await place.board.pause(USER, task.id)
        await until(place, task.id, "parked")
        trace.go_on.set()  # for the calls to come; that one was broken off
        if everybody:
            await place.board.switch(ADMIN, off=False)
        else:
            await place.board.resume(USER, task.id)
        assert (await place.board.wait(USER, task.id, 20)).state == "done"
        assert posted(tmp_path) == ["hello one", "hello two"]
        assert {each.state for each in await place.effects.of(task.id)} == {"done"}
