"""Servers that mean no good, as children: what they send costs little, and what they do is found
out."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from secondbasket.core.ports import Tool
from secondbasket.errors import OutcomeUnknown, ToolFailed, ToolRefused

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[3]
READS = {"tools": {"use": {"effect": "read"}}}


async def only(tools: Any) -> Tool:
    found: Sequence[Tool] = await tools.discover()
    assert tools.problems == {}
    (tool,) = found
    return tool


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process has ended; a zombie has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("mode", ["huge", "endless", "chatter"])
@pytest.mark.parametrize("effect", ["read", "external"])
async def test_what_does_not_end_is_cut_off(
    mode: str, effect: str, hostile: Any, call: Any, record: Any
) -> None:
    tool = await only(hostile(mode, tools={"use": {"effect": effect}}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected = ToolFailed if effect == "read" else OutcomeUnknown
    with pytest.raises(expected, match=r"more than|without being asked"):
        async with asyncio.timeout(20):
            await tool.call(call(tool))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40 * 1024, f"{grown} KiB"
    assert gone(int(record.of("start")[0]))


@pytest.mark.parametrize("mode", ["hang", "waits"])
async def test_one_that_does_not_answer_keeps_nobody(
    mode: str, hostile: Any, call: Any, record: Any
) -> None:
    tools = hostile(mode)
    tool = await only(tools)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await tool.call(call(tool))
    assert len(record.of("call")) == 1
    begun = time.monotonic()
    await tools.aclose()
    assert time.monotonic() - begun < 5
    if mode == "waits":
        assert len(record.of("cancelled")) == 1, "it is told that nobody waits any more"


async def test_one_that_does_not_read_keeps_nobody(hostile: Any, call: Any) -> None:
    tools = hostile("deaf")
    tool = await only(tools)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await tool.call(call(tool, {"text": "x" * 2_000_000}))
    begun = time.monotonic()
    await tools.aclose()
    assert time.monotonic() - begun < 6


async def test_one_that_never_greets_is_left_out(hostile: Any) -> None:
    tools = hostile("mute", start_seconds=0.5)
    assert await tools.discover() == ()
    assert "greeting" in tools.problems["other"]


async def test_one_of_another_time_is_left_out(hostile: Any) -> None:
    tools = hostile("future")
    assert await tools.discover() == ()
    assert "revision" in tools.problems["other"]


async def test_bombs_among_schemas_are_refused_and_the_rest_is_kept(hostile: Any) -> None:
    tools = hostile("bombs")
    begun = time.monotonic()
    assert [tool.facts.name for tool in await tools.discover()] == ["other.good"]
    assert time.monotonic() - begun < 5
    assert set(tools.problems) == {
        f"other.{name}"
        for name in "bomb deep circle outside wide no_type no_object no_schema twice".split()
    } | {"other.../../etc"}


@pytest.mark.parametrize("mode", ["many", "pages"])
async def test_too_many_tools_are_none(mode: str, hostile: Any) -> None:
    tools = hostile(mode)
    assert await tools.discover() == ()
    assert "500 tools" in tools.problems["other"] or "does not end" in tools.problems["other"]


async def test_those_that_are_allowed_are_taken_from_among_many(hostile: Any) -> None:
    tools = hostile("many", allow=["t7", "t499"])
    assert [tool.facts.name for tool in await tools.discover()] == ["other.t7", "other.t499"]


async def test_instructions_in_a_description_are_words_of_a_stranger(hostile: Any) -> None:
    tool = await only(hostile("instructions"))
    told = tool.facts.description
    assert told.startswith("A tool of the server 'other', which says of it:")
    assert len(told) < 1200
    assert told.isprintable()
    assert not set("\x1b\u202e\u200b\U000e0041") & set(told)
    assert tool.facts.effect == "external"
    assert tool.facts.from_outside


async def test_a_tool_that_changed_under_its_name_is_refused_until_a_restart(
    hostile: Any, call: Any, record: Any
) -> None:
    tools = hostile("turncoat", **READS)
    tool = await only(tools)
    with pytest.raises(ToolRefused, match="another 'use' than was accepted"):
        await tool.call(call(tool))
    assert record.of("call") == [], "it was not even called"
    assert await tools.discover() == (), "nor is it offered as what it is now"
    assert "sha256" in tools.problems["other.use"]


async def test_a_sum_in_the_settings_is_what_is_accepted(hostile: Any, call: Any) -> None:
    tools = hostile("plain", tools={"use": {"sha256": "0" * 64}})
    assert await tools.discover() == ()
    told = tools.problems["other.use"]
    accepted = told.rpartition("sha256 = '")[2][:64]
    tool = await only(hostile("plain", tools={"use": {"sha256": accepted}}))
    assert (await tool.call(call(tool))).text == "done"


async def test_one_that_dies_in_a_call_has_perhaps_acted(
    hostile: Any, call: Any, record: Any
) -> None:
    tool = await only(hostile("die"))
    with pytest.raises(OutcomeUnknown, match="ended"):
        await tool.call(call(tool))
    assert len(record.of("call")) == 1, "and is not called again"


async def test_a_killed_child_is_started_again_and_not_at_once_for_ever(
    hostile: Any, call: Any, record: Any
) -> None:
    tool = await only(hostile("plain", **READS))
    os.kill(int(record.of("start")[-1]), signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert (await tool.call(call(tool))).text == "done"
    assert len(record.of("start")) == 2


async def test_a_command_that_ends_at_once_is_not_started_in_a_circle(
    servers: Any, record: Any
) -> None:
    script = f"open({str(record.file)!r}, 'a').write('start\\n')"
    tools = servers({"other": {"command": [sys.executable, "-I", "-c", script]}})
    for _ in range(6):
        assert await tools.discover() == ()
    assert len(record.of("start")) == 1
    assert "is started again in" in tools.problems["other"]


async def test_a_command_that_is_not_there(servers: Any) -> None:
    tools = servers({"other": {"command": ["no-such-program-here"]}})
    assert await tools.discover() == ()
    assert "no-such-program-here cannot be run" in tools.problems["other"]


async def test_what_it_asks_of_us_is_refused(hostile: Any, call: Any) -> None:
    tool = await only(hostile("asks"))
    outcome = await tool.call(call(tool))
    assert '"code": -32601' in outcome.text


async def test_junk_is_no_answer(hostile: Any, call: Any) -> None:
    tool = await only(hostile("junk"))
    with pytest.raises(OutcomeUnknown, match="no result"):
        await tool.call(call(tool))


async def test_what_it_started_ends_with_it(hostile: Any, record: Any) -> None:
    tools = hostile("family")
    await only(tools)
    pids = [int(pid) for word in ("start", "child") for pid in record.of(word)]
    assert len(pids) == 2
    await tools.aclose()
    assert all(gone(pid) for pid in pids)


def test_nothing_outlives_a_server_of_ours_that_is_killed(tmp_path: Path, record: Any) -> None:
    command = [sys.executable, "-I", str(TESTS / "mcp_hostile_server.py"), "family"]
    code = f"""
        import anyio
        from pathlib import Path
        from secondbasket.apps.tools.ground import ToolGround
        from secondbasket.apps.tools.mcp.family import create

        async def main():
            settings = {{"servers": {{"other": {{"command": {[*command, str(record.file)]!r}}}}}}}
            programs = Path({str(tmp_path)!r})
            tools = create(ToolGround(session=None, settings=settings, programs=programs))
            print(len(await tools.discover()), flush=True)
            await anyio.sleep(600)

        anyio.run(main)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        assert parent.stdout.readline() == "1\n"
        pids = [int(pid) for word in ("start", "child") for pid in record.of(word)]
        assert len(pids) == 2
        parent.kill()
    assert all(gone(pid) for pid in pids)
