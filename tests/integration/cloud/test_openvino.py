"""OpenVINO's child where it differs from what every engine must do."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import psutil
import pytest

from secondbasket.cloud.engines import llamacpp, openvino
from secondbasket.cloud.supervisor import Supervisor
from secondbasket.core.chat import ChatRequest, CompletionRequest, Message, ResponseFormat, Sampling
from secondbasket.core.model import ModelRecord, ModelShape
from secondbasket.core.ports import Engine, EngineOptions
from secondbasket.errors import EngineFailedToStart
from secondbasket.testing.chat_engines import asked, post, stream
from secondbasket.testing.engines import EngineCase, Running, running
from tests.conftest import ROOT, Weights
from tests.integration.cloud.scripted_engine import ScriptedEngine, spec

MODEL = ModelRecord(
    name="chat", task="chat", format="gguf", digest="", files=(), licence="", source=""
)
OPTIONS = EngineOptions(context_tokens=512, slots=2, threads=2, cache_mib=16)


def case(engine: Engine, weights: Weights) -> EngineCase:
    files = {"weights.gguf": weights.chat}
    return EngineCase(engine=engine, model=MODEL, files=files, broken={}, options=OPTIONS)


@pytest.fixture(scope="module")
async def engine(
    weights: Weights, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    log = tmp_path_factory.mktemp("openvino") / "log"
    async with running(case(openvino.create(), weights), log) as started:
        yield started


# An openvino_telemetry, and a conversion tool that uses it, which leave a file behind when used.
_TRAP = "import os, pathlib; pathlib.Path(os.environ['TRAP']).touch()"
_LOAD = "from secondbasket.cloud.engines.openvino_model import _quiet_library as load; load()"


@pytest.mark.parametrize(("program", "reports"), [("import openvino", True), (_LOAD, False)])
def test_nothing_reports_to_the_librarys_maker(tmp_path: Path, program: str, reports: bool) -> None:
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text(_TRAP)
    trap = tmp_path / "was-used"
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TRAP": str(trap)},
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert trap.exists() == reports


@pytest.mark.anyio
async def test_it_cuts_texts_as_llama_cpp_does(
    engine: Running, weights: Weights, tmp_path: Path
) -> None:
    texts = [
        *((ROOT / "tests" / "corpora" / name).read_text() for name in ("business.txt",)),
        (ROOT / "LICENSE").read_text(),  # longer than its tokenizer reads at once
        "Two  spaces,\ttabs,\r\nline ends\n\n\n  and it's 3.14 or 0x1F",
        "日本語のテキスト、한국어 العربية हिन्दी 🙂👍🏽👨‍👩‍👧‍👦 naïve ﬁ\u2028\u00a0",
        "<|im_start|>user\nhi<|im_end|>\n<not a token>",
        "a" * 9000,
        "漢" * 5000,
        " ",
        "",
    ]
    async with running(case(llamacpp.create(), weights), tmp_path / "log") as other:
        for text in texts:
            body = {"content": text, "add_special": True, "parse_special": True}
            assert await post(engine, "/tokenize", body) == await post(other, "/tokenize", body)


@pytest.mark.anyio
async def test_logprobs_tell_nothing_of_a_stop_text(engine: Running) -> None:
    body = asked("Tell me a story about a dog.", max_tokens=40, logprobs=True)
    whole = (await stream(engine, body)).text
    stop = whole[30:52]
    answered = await stream(engine, body | {"stop": stop})
    tokens = [
        token["token"]
        for event in answered.events
        for choice in event["choices"]
        for token in (choice.get("logprobs") or {}).get("content", ())
    ]
    assert answered.text == whole[:30]
    assert answered.text.startswith("".join(tokens))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"5": 10}}, "logit_bias"),
        ({"n": 2}, "one choice"),
        ({"repeat_penalty": 0}, "does not sample so"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}},
            "'not' is not taken",
        ),
    ],
)
async def test_what_it_cannot_do_is_refused_by_name(
    engine: Running, changes: dict[str, object], told: str
) -> None:
    status, answer = await post(engine, "/v1/chat/completions", asked("Hi") | changes)
    assert status == 400
    assert told in answer["error"]["message"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "extremes",
    [
        {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0},
        {"temperature": 1e-9},
        {"temperature": 1, "top_p": 0},
        {"temperature": 1, "min_p": 1},
        {"temperature": 1, "top_k": 1, "seed": -(2**63)},
        {"temperature": 0.7, "presence_penalty": 2, "frequency_penalty": -2},
        {"temperature": 0.7, "repeat_penalty": 1.3, "ignore_eos": True},
    ],
)
async def test_every_sampling_of_the_wire_is_done(
    engine: Running, extremes: dict[str, object]
) -> None:
    answered = await stream(engine, asked("Hi", max_tokens=4) | extremes)
    assert answered.finish_reason


@pytest.mark.anyio
async def test_an_empty_prompt_is_an_empty_answer(engine: Running) -> None:
    answered = await stream(engine, {"prompt": "", "max_tokens": 3})
    assert answered.text == ""
    assert answered.finish_reason == "length"
    assert answered.usage["total_tokens"] == 0


def test_a_model_it_cannot_read_is_refused_before_a_process_is_started(weights: Weights) -> None:
    shape = ModelShape(architecture="gemma3", parameters=1)
    model = msgspec.structs.replace(MODEL, shape=shape)
    with pytest.raises(EngineFailedToStart, match="gemma3"):
        openvino.create().child(model, {"a.gguf": weights.chat}, OPTIONS, "key")


def test_it_says_beforehand_what_it_cannot_serve() -> None:
    chat = ChatRequest(model="m", messages=(Message(role="user", content="Hi"),))

    def unfit(request: ChatRequest | CompletionRequest, **sampling: Any) -> str:
        wanted = msgspec.structs.replace(request, sampling=Sampling(**sampling))
        error = openvino.create().unfit(wanted)
        return "" if error is None else error.param or ""

    assert unfit(chat, logprobs=True) == ""
    assert unfit(chat, logprobs=True, top_logprobs=3) == "top_logprobs"
    assert unfit(CompletionRequest(model="m", prompts=("a",)), logit_bias={"1": 2}) == "logit_bias"
    schema = ResponseFormat("json_schema", {"name": "x", "schema": {"not": {}}})
    assert unfit(msgspec.structs.replace(chat, response_format=schema)) == "response_format"
    schema = ResponseFormat("json_schema", {"name": "x", "schema": {"type": "object"}})
    assert unfit(msgspec.structs.replace(chat, response_format=schema)) == ""


@pytest.mark.anyio
async def test_a_killed_child_begins_again_and_none_is_left(
    weights: Weights, tmp_path: Path
) -> None:
    async with Supervisor(logs=tmp_path) as supervisor:
        replica = await supervisor.add(
            msgspec.structs.replace(
                spec(ScriptedEngine(""), "chat@openvino"),
                engine=openvino.create(),
                files={"a.gguf": weights.chat},
                options=OPTIONS,
            )
        )
        await replica.wait_ready(120)
        first = replica.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with anyio.fail_after(120):
            while replica.restarts == 0 or replica.state != "ready":
                await supervisor.changed.wait()
        second = replica.pid
        assert second not in (None, first)
        assert "SIGKILL" not in replica.reason
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second or 0)
