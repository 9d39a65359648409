"""A replica's states, with real processes that crash, hang, refuse and come back."""

import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec
import psutil
import pytest

from secondbasket.cloud.replica import Patience, Replica
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.errors import EngineFailedToStart, EngineNotReady
from tests.integration.cloud.scripted_engine import SERVES, ScriptedEngine, spec

pytestmark = pytest.mark.anyio

CRASHES = "import os; os.kill(os.getpid(), 11)"
REFUSES = "import sys; sys.exit('these weights are not mine')"
SILENT = "import sys; sys.stdin.read()"

QUICK = Patience(
    start=20,
    health_interval=0.05,
    health_timeout=0.2,
    health_misses=2,
    terminate=2,
    pause=0.01,
    longest_pause=0.05,
    crashes=3,
)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(logs=tmp_path, patience=QUICK) as running:
        yield running


async def _until(supervisor: Supervisor, replica: Replica, *states: str) -> None:
    with anyio.fail_after(20):
        while replica.state not in states:
            await supervisor.changed.wait()


async def test_it_comes_up_and_says_what_it_holds(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    assert replica.state == "starting"
    await replica.wait_ready(20)
    with replica.lease() as endpoint:
        assert endpoint.base_url.startswith("http://127.0.0.1:")
        assert len(endpoint.api_key) >= 43
        assert endpoint.api_key not in repr(endpoint)
    assert (replica.observed_bytes or 0) > 1_000_000
    assert replica.spec.estimate.needed == 1011


async def test_killed_it_comes_back_with_another_key(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    await replica.wait_ready(20)
    before = replica.endpoint
    assert replica.pid is not None
    os.kill(replica.pid, signal.SIGKILL)
    await _until(supervisor, replica, "restarting")
    assert "SIGKILL" in replica.reason
    with pytest.raises(EngineNotReady, match="restarting"), replica.lease():
        pass
    await replica.wait_ready(20)
    assert replica.endpoint is not None
    assert replica.endpoint != before
    assert replica.restarts == 1
    assert replica.reason == ""


async def test_hung_it_is_killed_and_started_again(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    await replica.wait_ready(20)
    assert replica.pid is not None
    hung = psutil.Process(replica.pid)
    hung.suspend()
    await _until(supervisor, replica, "restarting")
    assert "hung: 2 health checks" in replica.reason
    assert not hung.is_running()
    await replica.wait_ready(20)


async def test_health_is_more_than_being_alive(supervisor: Supervisor) -> None:
    sick = SERVES.replace("send_response(200)", "send_response(500)")
    replica = await supervisor.add(spec(ScriptedEngine(sick, SERVES)))
    await _until(supervisor, replica, "restarting")
    await replica.wait_ready(20)


async def test_a_refusal_is_final_until_somebody_starts_it_again(supervisor: Supervisor) -> None:
    engine = ScriptedEngine(REFUSES, SERVES)
    replica = await supervisor.add(spec(engine))
    with pytest.raises(EngineFailedToStart, match="these weights are not mine"):
        await replica.wait_ready(20)
    assert (replica.state, engine.started) == ("failed", 1)
    with pytest.raises(EngineNotReady, match="failed"), replica.lease():
        pass
    await replica.start()
    await replica.wait_ready(20)


async def test_it_gives_up_after_crashes_in_a_row_and_can_be_started_again(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine(CRASHES, CRASHES, CRASHES, CRASHES, SERVES)
    replica = await supervisor.add(spec(engine))
    with pytest.raises(EngineFailedToStart, match="crashed 4 times in a row; killed by SIGSEGV"):
        await replica.wait_ready(20)
    assert engine.started == QUICK.crashes + 1
    told = [record.levelno for record in caplog.records if record.name.endswith("cloud.replica")]
    assert told.count(logging.WARNING) == engine.started
    await replica.start()
    await replica.wait_ready(20)


async def test_crashes_long_after_one_another_are_not_in_a_row(tmp_path: Path) -> None:
    patience = msgspec.structs.replace(QUICK, stable=0.0, crashes=1)
    async with Supervisor(logs=tmp_path, patience=patience) as supervisor:
        replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
        for _ in range(3):
            await replica.wait_ready(20)
            assert replica.pid is not None
            os.kill(replica.pid, signal.SIGKILL)
            await _until(supervisor, replica, "restarting", "failed")
        await replica.wait_ready(20)
        assert replica.restarts == 3


async def test_one_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    patience = msgspec.structs.replace(QUICK, start=0.3, crashes=1)
    async with Supervisor(logs=tmp_path, patience=patience) as supervisor:
        replica = await supervisor.add(spec(ScriptedEngine(SILENT)))
        with pytest.raises(EngineFailedToStart, match=r"within 0\.1 s"):
            await replica.wait_ready(0.1)
        with pytest.raises(EngineFailedToStart, match=r"was not ready within 0\.3 s"):
            await replica.wait_ready(20)
        assert replica.pid is None


async def test_a_stop_waits_for_the_calls_under_way(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    await replica.wait_ready(20)
    pid = replica.pid
    assert pid is not None
    async with anyio.create_task_group() as tasks:
        with replica.lease(), replica.lease():
            tasks.start_soon(replica.stop, 20)
            await _until(supervisor, replica, "draining")
            with pytest.raises(EngineNotReady, match="draining"), replica.lease():
                pass
            assert replica.endpoint is None
            assert psutil.pid_exists(pid)
    assert replica.state == "stopped"
    assert not psutil.pid_exists(pid)


async def test_a_stop_waits_no_longer_than_it_was_told(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    await replica.wait_ready(20)
    with replica.lease(), anyio.fail_after(10):
        await replica.stop(0.1)
        assert replica.state == "stopped"


async def test_a_stop_that_is_given_up_still_stops(supervisor: Supervisor) -> None:
    replica = await supervisor.add(spec(ScriptedEngine(SERVES)))
    await replica.wait_ready(20)
    with replica.lease():
        with anyio.move_on_after(0.05):
            await replica.stop(600)
        await _until(supervisor, replica, "stopped")


async def test_a_crash_while_it_drains_is_not_a_restart(supervisor: Supervisor) -> None:
    engine = ScriptedEngine(SERVES)
    replica = await supervisor.add(spec(engine))
    await replica.wait_ready(20)
    assert replica.pid is not None
    with replica.lease(), anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replica.stop, 600)
            await _until(supervisor, replica, "draining")
            os.kill(replica.pid, signal.SIGKILL)
    assert (replica.state, engine.started) == ("stopped", 1)
    await replica.start()
    await replica.wait_ready(20)


@pytest.mark.parametrize("program", [SILENT, CRASHES])
async def test_it_can_be_stopped_while_it_starts_or_restarts(tmp_path: Path, program: str) -> None:
    patience = msgspec.structs.replace(QUICK, pause=600.0, longest_pause=600.0)
    async with Supervisor(logs=tmp_path, patience=patience) as supervisor:
        replica = await supervisor.add(spec(ScriptedEngine(program)))
        if program == CRASHES:
            await _until(supervisor, replica, "restarting")
        with anyio.fail_after(10):
            await replica.stop(600)
        assert (replica.state, replica.pid) == ("stopped", None)
        with pytest.raises(EngineFailedToStart, match="stopped"):
            await replica.wait_ready(1)


async def test_starting_twice_is_starting_once(supervisor: Supervisor) -> None:
    engine = ScriptedEngine(SERVES)
    replica = await supervisor.add(spec(engine))
    await replica.start()
    await replica.wait_ready(20)
    await replica.start()
    assert (replica.state, engine.started) == ("ready", 1)
