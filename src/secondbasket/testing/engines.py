"""What every engine must do, ours and others': subclass `EngineContract` where pytest collects it.

Needs pytest with anyio's plug-in. Each test starts the real child process.
"""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest
from anyio.abc import Process

from secondbasket.cloud.log import EngineLog
from secondbasket.cloud.process import EngineProcess, run_engine
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import Engine, EngineOptions
from secondbasket.egress import Session
from secondbasket.egress.loopback import loopback_session
from secondbasket.errors import EngineFailedToStart

API_KEY = "the-key-of-this-contract"
_SECONDS = 60
_ENDS_WITHIN = 5


class EngineCase(msgspec.Struct, frozen=True, kw_only=True):
    """One engine and a small model for it; `broken` are the same files, one of them damaged."""

    engine: Engine
    model: ModelRecord
    files: Mapping[str, Path]
    broken: Mapping[str, Path]
    options: EngineOptions


class Running(msgspec.Struct, frozen=True):
    """The case's child, ready at `port`."""

    case: EngineCase
    process: EngineProcess
    port: int
    session: Session

    async def ask(
        self, words: str, *, key: str | None = API_KEY, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of the smallest call of the model's task about `words`."""
        body: dict[str, Any] = {"input": words}
        path = "/v1/embeddings"
        if self.case.model.task == "chat":
            body = {"messages": [{"role": "user", "content": words}], "max_tokens": 4}
            path = "/v1/chat/completions"
        authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with self.session.post(
            f"http://127.0.0.1:{self.port}{path}",
            json={"model": self.case.model.name, **body},
            # A connection each: one that the engine is just closing would fail the call after.
            headers={"Connection": "close", **authorization, **(headers or {})},
        ) as response:
            return response.status, await response.json(content_type=None), response.headers


@asynccontextmanager
async def running(case: EngineCase, log: Path) -> AsyncIterator[Running]:
    child = case.engine.child(case.model, case.files, case.options, API_KEY)
    with closing(EngineLog(log)) as written:
        async with (
            loopback_session() as session,
            run_engine(child, log=written, terminate_seconds=_ENDS_WITHIN) as process,
        ):
            with anyio.fail_after(_SECONDS):
                port = await process.ready()
            assert port is not None, await process.exit_words()
            yield Running(case, process, port, session)


@asynccontextmanager
async def _bare(case: EngineCase) -> AsyncIterator[Process]:
    """The child, told its configuration, without anything of ours that would end it."""
    child = case.engine.child(case.model, case.files, case.options, API_KEY)
    async with await anyio.open_process(child.command) as process:
        try:
            assert process.stdin is not None
            await process.stdin.send(child.configuration + b"\n")
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def _ready_line(process: Process) -> str:
    assert process.stdout is not None
    heard = b""
    with anyio.fail_after(_SECONDS):
        while b"\n" not in heard:
            heard += await process.stdout.receive()
    return heard.decode().strip()


@pytest.mark.anyio
class EngineContract:
    """Override the fixture `case`, with the scope of the class as well."""

    @pytest.fixture(scope="class")
    @classmethod
    def case(cls) -> EngineCase:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    async def engine(
        cls, case: EngineCase, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Running]:
        """One child for all tests that leave it as they found it."""
        async with running(case, tmp_path_factory.mktemp("engine") / "log") as engine:
            yield engine

    def test_it_says_what_computes(self, case: EngineCase) -> None:
        library, _, version = case.engine.version().partition(" ")
        assert library
        assert version[0].isdigit()
        assert case.model.format in case.engine.formats
        assert case.model.task in case.engine.tasks

    def test_its_key_is_not_in_the_process_list(self, case: EngineCase) -> None:
        child = case.engine.child(case.model, case.files, case.options, API_KEY)
        assert API_KEY not in " ".join([*child.command, *child.environment.values()])
        assert API_KEY.encode() in child.configuration
        assert b"\n" not in child.configuration

    def test_it_refuses_a_model_without_its_files(self, case: EngineCase) -> None:
        with pytest.raises(EngineFailedToStart):
            case.engine.child(case.model, {}, case.options, API_KEY)

    async def test_it_answers_on_its_wire_with_counts(self, engine: Running) -> None:
        status, answer, _ = await engine.ask("What is the capital of France?")
        assert status == 200
        assert answer["model"] == engine.case.model.name
        assert answer["usage"]["prompt_tokens"] > 5
        if engine.case.model.task == "chat":
            assert answer["choices"][0]["message"]["content"]
            assert 0 < answer["usage"]["completion_tokens"] <= 4
        else:
            assert any(answer["data"][0]["embedding"])
        async with engine.session.get(f"http://127.0.0.1:{engine.port}/health") as health:
            assert health.status == 200

    async def test_it_demands_its_key(self, engine: Running) -> None:
        for key in (None, "", API_KEY[:-1], API_KEY + "x", "'; --"):
            status, answer, _ = await engine.ask("hello", key=key)
            assert status == 401, key
            assert answer["error"]["message"]
        assert (await engine.ask("hello"))[0] == 200

    async def test_no_web_page_may_read_its_answers(self, engine: Running) -> None:
        page = {"Origin": "https://elsewhere.example"}
        _, _, headers = await engine.ask("hello", headers=page)
        assert not headers.get("Access-Control-Allow-Origin")
        async with engine.session.options(
            f"http://127.0.0.1:{engine.port}/v1/chat/completions",
            headers={**page, "Access-Control-Request-Method": "POST"},
        ) as preflight:
            assert not preflight.headers.get("Access-Control-Allow-Origin")
        async with engine.session.get(f"http://127.0.0.1:{engine.port}/") as front:
            assert "html" not in front.content_type, "it shows a web page"

    async def test_it_listens_at_one_address_only(self, engine: Running) -> None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await engine.session.get(f"http://127.0.0.2:{engine.port}/health")

    async def test_too_long_an_input_is_refused_with_the_counts(self, engine: Running) -> None:
        status, answer, _ = await engine.ask("word " * (engine.case.options.context_tokens + 20))
        assert status == 400
        assert answer["error"]["type"] == "exceed_context_size_error"
        assert answer["error"]["n_ctx"] == engine.case.options.context_tokens
        assert answer["error"]["n_prompt_tokens"] > engine.case.options.context_tokens
        assert (await engine.ask("word"))[0] == 200

    async def test_every_slot_has_the_whole_context(self, engine: Running) -> None:
        words = "word " * (engine.case.options.context_tokens - 50)
        statuses = []

        async def one() -> None:
            statuses.append((await engine.ask(words))[0])

        async with anyio.create_task_group() as calls:
            for _ in range(engine.case.options.slots):
                calls.start_soon(one)
        assert statuses == [200] * engine.case.options.slots

    async def test_it_ends_when_standard_input_closes(self, case: EngineCase) -> None:
        async with _bare(case) as process:
            assert (await _ready_line(process)).startswith("ready ")
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.fail_after(_ENDS_WITHIN):
                assert await process.wait() == 0

    async def test_it_ends_when_standard_input_closes_during_the_load(
        self, case: EngineCase
    ) -> None:
        async with _bare(case) as process:
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.fail_after(_ENDS_WITHIN):
                await process.wait()

    async def test_it_ends_on_sigterm(self, case: EngineCase) -> None:
        async with _bare(case) as process:
            await _ready_line(process)
            process.terminate()
            with anyio.fail_after(_ENDS_WITHIN):
                assert await process.wait() in (0, -signal.SIGTERM)

    async def test_it_refuses_a_broken_file_and_says_why(
        self, case: EngineCase, tmp_path: Path
    ) -> None:
        child = case.engine.child(case.model, case.broken, case.options, API_KEY)
        with closing(EngineLog(tmp_path / "log")) as log:
            async with run_engine(child, log=log, terminate_seconds=_ENDS_WITHIN) as process:
                with anyio.fail_after(_SECONDS):
                    assert await process.ready() is None
                    words = await process.exit_words()
            assert (process.returncode or 0) > 0
            assert "load" in words
            assert "Traceback" not in words
