"""A child process from its start to the last of what it started."""

import os
from contextlib import closing
from pathlib import Path

import anyio
import psutil
import pytest

from secondbasket.cloud.log import EngineLog
from secondbasket.cloud.process import run_engine
from secondbasket.core.ports import EngineChild
from secondbasket.errors import EngineFailedToStart
from tests.integration.cloud.scripted_engine import SERVES, ScriptedEngine, spec

pytestmark = pytest.mark.anyio


def _child(program: str, environment: dict[str, str] | None = None) -> EngineChild:
    engine = ScriptedEngine(program, environment=environment)
    parts = spec(engine)
    return engine.child(parts.model, {}, parts.options, "key")


@pytest.fixture
def log(tmp_path: Path) -> EngineLog:
    return EngineLog(tmp_path / "engine.log")


async def test_it_is_gone_after_the_block(log: EngineLog) -> None:
    with closing(log):
        async with run_engine(_child(SERVES), log=log, terminate_seconds=5) as process:
            assert await process.ready()
            assert psutil.pid_exists(process.pid)
            assert (process.resident_bytes() or 0) > 1_000_000
        assert not psutil.pid_exists(process.pid)


async def test_one_that_ignores_sigterm_is_killed_with_all_it_started(log: EngineLog) -> None:
    stubborn = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.write(write, b'%d' % os.getpid()); time.sleep(600)\n"
        "    os._exit(0)\n"
        "print('grandchild', os.read(read, 20).decode())\n"
        "print('ready 9', flush=True); time.sleep(600)\n"
    )
    with closing(log):
        async with run_engine(_child(stubborn), log=log, terminate_seconds=0.2) as process:
            assert await process.ready() == 9
            grandchild = psutil.Process(int(log.last_words().removeprefix("grandchild ")))
        assert process.returncode == -9
        assert not psutil.pid_exists(process.pid)
        # Its parent is init, which reaps it when it pleases.
        _, alive = psutil.wait_procs([grandchild], timeout=2)
        assert all(each.status() == psutil.STATUS_ZOMBIE for each in alive)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('no such tensor')", "ended with status 1; its last words: no such"),
        ("import os; os.abort()", "killed by SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL, as the system does when memory"),
        ("pass", "ended with status 0"),
    ],
)
async def test_its_end_is_told_in_words(log: EngineLog, program: str, words: str) -> None:
    with closing(log):
        async with run_engine(_child(program), log=log, terminate_seconds=5) as process:
            with anyio.fail_after(10):
                assert await process.ready() is None
                assert (await process.exit_words()).startswith(words)


async def test_a_flood_of_output_does_not_stop_it(log: EngineLog) -> None:
    flood = (
        "import sys\n"
        "for _ in range(6000): sys.stderr.write('x' * 999 + chr(10)); sys.stdout.write('y' * 99)\n"
        "sys.stdout.flush(); sys.exit(7)"
    )
    with closing(log):
        async with run_engine(_child(flood), log=log, terminate_seconds=5) as process:
            with anyio.fail_after(30):
                await process.exit_words()
            assert process.returncode == 7


async def test_it_does_not_inherit_our_secrets(
    log: EngineLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-engines")
    monkeypatch.setenv("SECONDBASKET_DATABASE_URL", "postgresql://not-for-engines")
    tells = "import os, sys; sys.exit(' '.join(f'{k}={v}' for k, v in os.environ.items()))"
    with closing(log):
        async with run_engine(
            _child(tells, {"FOR_ENGINES": "yes"}), log=log, terminate_seconds=5
        ) as process:
            words = await process.exit_words()
    assert "FOR_ENGINES=yes" in words
    assert f"PATH={os.environ['PATH']}" in words
    assert "not-for-engines" not in words


async def test_a_program_that_is_missing_is_an_engine_error(log: EngineLog) -> None:
    child = EngineChild(command=("/nowhere/engine",), configuration=b"{}")
    with closing(log), pytest.raises(EngineFailedToStart, match="/nowhere/engine"):
        async with run_engine(child, log=log, terminate_seconds=1):
            pass
