"""What every tool must do, ours and others': subclass `ToolContract` where pytest collects it.

Needs pytest with anyio's plug-in.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from jsonschema.validators import Draft202012Validator

from secondbasket.apps.tools.belt import Belt
from secondbasket.core.chat import ChatRequest, Message, ToolSpec
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.errors import InvalidRequest, ToolError
from secondbasket.maas.upstreams.schema_limits import require_bounded

_LONGEST_TEXT = 64 * 1024
_LONGEST_BLOCK = 0.5
_ENDS_WITHIN = 10.0


class ToolCase(msgspec.Struct, frozen=True, kw_only=True):
    """A tool, and calls of it in `folder`, which is the task's own.

    `fits` are arguments of a call that succeeds, `wrong` such that break its
    schema, `failing` such that fit it and still cannot be done. `state` tells
    what `fits` changes, for a tool that changes something.
    """

    tool: Tool
    folder: Path
    fits: Mapping[str, Any]
    wrong: tuple[Mapping[str, Any], ...]
    failing: tuple[Mapping[str, Any], ...] = ()
    state: Callable[[], Awaitable[object]] | None = None

    def call(self, arguments: Mapping[str, Any], key: str = "eff_contract") -> ToolCall:
        return ToolCall(
            key=key, task="tsk_1", worker="contract", arguments=arguments, folder=self.folder
        )


class ToolContract:
    """Override `case`."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def case(self) -> ToolCase:
        raise NotImplementedError

    async def test_it_says_what_it_is(self, case: ToolCase) -> None:
        facts = case.tool.facts
        assert re.fullmatch(r"[a-z][a-z0-9_-]*(\.[A-Za-z0-9_-]+)*", facts.name)
        assert facts.description.strip()
        assert facts.limit_seconds > 0
        assert not (facts.effect == "external" and facts.confined)
        assert case.wrong, "a schema that refuses nothing describes nothing"

    async def test_engines_bear_its_schema(self, case: ToolCase) -> None:
        facts = case.tool.facts
        assert facts.parameters["type"] == "object"
        assert json.loads(json.dumps(facts.parameters)) == facts.parameters
        Draft202012Validator.check_schema(facts.parameters)
        require_bounded(
            ChatRequest(
                model="m",
                messages=(Message(role="user", content="x"),),
                tools=(ToolSpec(name="tool", parameters=facts.parameters),),
            )
        )

    async def test_its_schema_takes_what_fits_and_refuses_the_rest(self, case: ToolCase) -> None:
        belt = Belt({"contract": [case.tool]})
        for arguments in (case.fits, *case.failing):
            belt.check(case.tool, arguments)
        for arguments in case.wrong:
            with pytest.raises(InvalidRequest) as caught:
                belt.check(case.tool, arguments)
            assert caught.value.hint, "a model has to know how to mend it"

    async def test_a_call_gives_what_can_be_kept_and_read(self, case: ToolCase) -> None:
        outcome = await case.tool.call(case.call(case.fits))
        assert outcome.text.strip()
        assert len(outcome.text) <= _LONGEST_TEXT
        assert msgspec.json.decode(msgspec.json.encode(outcome), type=ToolOutcome).text
        for name in outcome.files:
            path = case.folder / name
            assert path.resolve().is_relative_to(case.folder.resolve())
            assert path.is_file()

    async def test_it_writes_nowhere_else(self, case: ToolCase) -> None:
        around = case.folder.parent
        before = sorted(each.name for each in around.iterdir())
        await case.tool.call(case.call(case.fits))
        assert sorted(each.name for each in around.iterdir()) == before

    async def test_what_cannot_be_done_is_told_as_an_error_of_ours(self, case: ToolCase) -> None:
        for number, arguments in enumerate(case.failing):
            with pytest.raises(ToolError) as caught:
                await case.tool.call(case.call(arguments, f"eff_{number}"))
            assert caught.value.message

    async def test_twice_under_one_key_is_once(self, case: ToolCase) -> None:
        if not case.tool.facts.takes_key or case.state is None:
            return
        await case.tool.call(case.call(case.fits))
        once = await case.state()
        await case.tool.call(case.call(case.fits))
        assert await case.state() == once

    async def test_it_knows_or_says_that_it_does_not(self, case: ToolCase) -> None:
        """Of a call that never was it may not tell an outcome, of one that was not that it never
        happened."""
        facts = case.tool.facts
        before = await case.tool.reconcile(case.call(case.fits, "eff_never"))
        assert before is None or isinstance(before, NeverHappened)
        await case.tool.call(case.call(case.fits))
        after = await case.tool.reconcile(case.call(case.fits))
        if facts.effect != "read":
            assert after is None or isinstance(after, ToolOutcome)

    async def test_it_does_not_block_the_event_loop(self, case: ToolCase) -> None:
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            last = time.monotonic()
            while True:
                await anyio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            await case.tool.call(case.call(case.fits))
            tasks.cancel_scope.cancel()
        assert longest < _LONGEST_BLOCK

    async def test_a_cancelled_call_ends(self, case: ToolCase) -> None:
        began = time.monotonic()
        with anyio.move_on_after(0.02):
            await case.tool.call(case.call(case.fits))
        assert time.monotonic() - began < _ENDS_WITHIN
