"""An engine whose child is a small Python program of the test: a real process with real faults."""

import sys
from collections.abc import Mapping
from pathlib import Path

from secondbasket.cloud.replica import ReplicaSpec
from secondbasket.core.chat import ChatRequest, CompletionRequest, EmbeddingRequest
from secondbasket.core.chip import Chip, FitEstimate
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.ports import EngineChild, EngineOptions

# Reads its configuration, answers GET /health with 200, ends with its parent.
SERVES = """
import http.server, os, sys, threading
sys.stdin.readline()
class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", server.server_port, flush=True)
sys.stdin.read()
os._exit(0)
"""


class ScriptedEngine:
    """Runs `programs` one after the other, the last of them again and again."""

    formats: tuple[ModelFormat, ...] = ("gguf",)
    tasks: tuple[ModelTask, ...] = ("chat",)

    def __init__(
        self,
        *programs: str,
        environment: Mapping[str, str] | None = None,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self._programs = list(programs)
        self._environment = environment or {}
        self.started = 0

    def version(self) -> str:
        return "scripted 1"

    def child(
        self, model: ModelRecord, files: Mapping[str, Path], options: EngineOptions, api_key: str
    ) -> EngineChild:
        program = self._programs[min(self.started, len(self._programs) - 1)]
        self.started += 1
        return EngineChild(
            command=(sys.executable, "-I", "-c", program),
            configuration=b"{}",
            environment=self._environment,
        )

    def unfit(self, request: ChatRequest | CompletionRequest | EmbeddingRequest) -> None:
        return None


def spec(engine: ScriptedEngine, name: str = "scripted") -> ReplicaSpec:
    return ReplicaSpec(
        name=name,
        model=ModelRecord(
            name=name, task="chat", format="gguf", digest="", files=(), licence="", source="file:"
        ),
        files={},
        engine=engine,
        options=EngineOptions(context_tokens=256, slots=1, threads=1, cache_mib=0),
        chip=Chip(id="cpu", kind="cpu", vendor="", name="", cores=1, memory_total=1, memory_free=1),
        estimate=FitEstimate(chip="cpu", weights=1000, kv_cache=10, margin=1, free=2000),
    )
