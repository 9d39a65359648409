"""Several replicas together, and nothing left of them, however their parent ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import psutil
import pytest

from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.errors import Conflict, NotFound
from tests.conftest import ROOT, Weights
from tests.integration.cloud.scripted_engine import SERVES, ScriptedEngine, spec


@pytest.mark.anyio
async def test_replicas_come_and_go_by_name(tmp_path: Path) -> None:
    async with Supervisor(logs=tmp_path) as supervisor:
        changed = supervisor.changed
        first = await supervisor.add(spec(ScriptedEngine(SERVES), "one/../model"))
        assert changed.is_set()
        second = await supervisor.add(spec(ScriptedEngine(SERVES), "two"))
        with pytest.raises(Conflict, match="two"):
            await supervisor.add(spec(ScriptedEngine(SERVES), "two"))
        await first.wait_ready(20)
        await second.wait_ready(20)
        one, two = supervisor.status()
        assert (one.name, one.state, one.engine) == ("one/../model", "ready", "scripted 1")
        assert (two.pid, two.restarts) == (second.pid, 0)
        assert Path(one.log).parent == tmp_path
        await supervisor.remove("two")
        assert list(supervisor.replicas) == ["one/../model"]
        with pytest.raises(NotFound):
            await supervisor.remove("two")
        await supervisor.stop()
        assert [each.state for each in supervisor.status()] == ["stopped"]


@pytest.mark.anyio
async def test_removing_twice_at_once_leaves_what_came_after(tmp_path: Path) -> None:
    async with Supervisor(logs=tmp_path) as supervisor:
        first = await supervisor.add(spec(ScriptedEngine(SERVES)))
        await first.wait_ready(20)
        added = []

        async def replace() -> None:
            await supervisor.remove("scripted")
            added.append(await supervisor.add(spec(ScriptedEngine(SERVES))))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replace)
            tasks.start_soon(supervisor.remove, "scripted")
        assert list(supervisor.replicas.values()) == added
        await added[0].wait_ready(20)


@pytest.mark.anyio
async def test_memory_promised_to_engines_that_still_load_is_known(tmp_path: Path) -> None:
    silent = "import sys; sys.stdin.read()"
    async with Supervisor(logs=tmp_path) as supervisor:
        assert supervisor.promised_bytes() == 0
        await supervisor.add(spec(ScriptedEngine(silent), "loads"))
        assert supervisor.promised_bytes() == 1011
        ready = await supervisor.add(spec(ScriptedEngine(SERVES), "holds more than it was to"))
        await ready.wait_ready(20)
        assert supervisor.promised_bytes() == 1011
        await supervisor.stop()
        assert supervisor.promised_bytes() == 0


@pytest.mark.anyio
async def test_an_error_in_the_block_ends_the_engines_and_goes_on_as_it_is(
    tmp_path: Path,
) -> None:
    pids = []

    async def fail() -> None:
        async with Supervisor(logs=tmp_path) as supervisor:
            replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
            await replica.wait_ready(20)
            pids.append(replica.pid)
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        await fail()
    (pid,) = pids
    assert pid is not None
    assert not psutil.pid_exists(pid)


# A parent as `basket up` is one: two real engines, their process ids on standard output.
_PARENT = """
import os, sys, anyio
from pathlib import Path
from secondbasket.cloud.engines import llamacpp, onnx
from secondbasket.cloud.replica import Patience
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.ports import EngineOptions
from tests.integration.cloud.scripted_engine import ScriptedEngine, spec
import msgspec

logs, chat, embedding, tokenizer, afterwards = sys.argv[1:]

def of(engine, name, files):
    options = EngineOptions(context_tokens=256, slots=1, threads=1, cache_mib=0)
    return msgspec.structs.replace(
        spec(ScriptedEngine(""), name), engine=engine, files=files, options=options
    )

async def main():
    async with Supervisor(logs=Path(logs)) as supervisor:
        await supervisor.add(of(llamacpp.create(), "chat", {"a.gguf": Path(chat)}))
        await supervisor.add(of(
            onnx.create(), "embedding",
            {"a.onnx": Path(embedding), "tokenizer.json": Path(tokenizer)},
        ))
        for replica in supervisor.replicas.values():
            await replica.wait_ready(60)
        pids = [replica.pid for replica in supervisor.replicas.values()]
        if "fork" in afterwards:
            # A helper that inherits our ends of the engines' pipes and outlives us.
            helper = os.fork()
            if helper == 0:
                os.close(1)
                os.read(0, 1)
                os._exit(0)
            pids.append(helper)
        print(*pids, flush=True)
        if "raise" in afterwards:
            raise RuntimeError("the parent's own mistake")
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture
def parent(
    tmp_path: Path, weights: Weights, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    arguments = [tmp_path, weights.chat, weights.embedding, weights.tokenizer, request.param]
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        yield process
        process.kill()


def _pids(parent: subprocess.Popen[str]) -> list[int]:
    assert parent.stdout is not None
    return [int(pid) for pid in parent.stdout.readline().split()]


def _all_end(processes: list[psutil.Process], seconds: float) -> bool:
    """Have they ended? One that waits to be reaped by init has."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return all(each.status() == psutil.STATUS_ZOMBIE for each in alive)


@pytest.mark.parametrize("parent", ["sleep"], indirect=True)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_no_engine_outlives_a_parent_that_was_killed(
    parent: subprocess.Popen[str], end: signal.Signals
) -> None:
    engines = [psutil.Process(pid) for pid in _pids(parent)]
    assert len(engines) == 2
    parent.send_signal(end)
    assert _all_end(engines, 2)


@pytest.mark.parametrize("parent", ["raise"], indirect=True)
def test_no_engine_outlives_a_parent_that_failed(parent: subprocess.Popen[str]) -> None:
    pids = _pids(parent)
    assert len(pids) == 2
    assert parent.wait(10) == 1
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("parent", ["fork"], indirect=True)
def test_no_engine_outlives_its_parent_although_a_fork_of_it_holds_the_pipes(
    parent: subprocess.Popen[str],
) -> None:
    *pids, helper = _pids(parent)
    engines = [psutil.Process(pid) for pid in pids]
    parent.send_signal(signal.SIGKILL)
    assert _all_end(engines, 2)
    assert psutil.Process(helper).is_running()
    os.kill(helper, signal.SIGKILL)


def test_an_engine_whose_parent_is_gone_before_it_began_does_not_begin() -> None:
    child = subprocess.run(
        [sys.executable, "-P", "-m", "secondbasket.cloud.engines.llamacpp_child"],
        input='{"parent": 1, "weights": "never-opened"}\n',
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert child.returncode == 1
    assert "is gone" in child.stderr
    assert child.stdout == ""


@pytest.mark.anyio
async def test_held_down_an_engine_stays_dead_and_comes_back_after(tmp_path: Path) -> None:
    async with Supervisor(logs=tmp_path, patience=Patience(crashes=0)) as supervisor:
        victim = await supervisor.add(spec(ScriptedEngine(SERVES), "victim"))
        spared = ScriptedEngine(SERVES)
        spared.name = "spared"
        other = await supervisor.add(spec(spared, "other"))
        await victim.wait_ready(20)
        await other.wait_ready(20)
        assert victim.pid is not None
        killed = psutil.Process(victim.pid)
        with supervisor.held_down("scripted"), supervisor.held_down("scripted"):
            newcomer = await supervisor.add(spec(ScriptedEngine(SERVES), "newcomer"))
            with anyio.fail_after(20):
                while victim.state != "restarting":
                    await supervisor.changed.wait()
            assert not killed.is_running()
            await anyio.sleep(0.5)
            assert victim.endpoint is None
            assert (victim.state, victim.reason) == ("restarting", "held down")
            assert newcomer.endpoint is None
            assert other.state == "ready"
        await victim.wait_ready(20)
        await newcomer.wait_ready(20)
        # Being held down is no crash, of which this patience bears none.
        assert (victim.restarts, other.restarts) == (1, 0)


@pytest.mark.anyio
async def test_what_is_held_down_can_be_stopped(tmp_path: Path) -> None:
    async with Supervisor(logs=tmp_path) as supervisor:
        replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
        with supervisor.held_down("scripted"), anyio.fail_after(20):
            await supervisor.remove("scripted")
        assert replica.state == "stopped"


@pytest.mark.anyio
async def test_killed_while_it_loads_it_is_held_down_too(tmp_path: Path) -> None:
    silent = SERVES.replace('print("ready", server.server_port, flush=True)', "")
    async with Supervisor(logs=tmp_path, patience=Patience(crashes=0)) as supervisor:
        replica = await supervisor.add(spec(ScriptedEngine(silent, SERVES)))
        with anyio.fail_after(20):
            while replica.pid is None:  # noqa: ASYNC110 - no event tells it
                await anyio.sleep(0.01)
        with supervisor.held_down("scripted"), anyio.fail_after(20):
            while replica.reason != "held down":
                await supervisor.changed.wait()
        await replica.wait_ready(20)
