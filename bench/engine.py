"""The engine alone, and the same engine behind the gateway, in turns.

The engine alone is a second child process, started by the same plug-in with the same model and
options, so that both sides differ by the gateway only.
"""

import contextlib
import os
import secrets
import statistics
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from bench.start import local_basket
from bench.stream import together
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import Engine, EngineOptions
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store

MODEL = "smollm2-135m-instruct"
STREAMS = (1, 4, 8)
TOKENS = 96
# The same for the gateway's engine and for the one beside it.
OPTIONS = EngineOptions(context_tokens=2048, slots=8, threads=2, cache_mib=64)


class Turn(msgspec.Struct, frozen=True):
    """Tokens a second of all streams together, and the median time to first token."""

    target: str
    streams: int
    tokens_per_second: float
    first_token_ms: float


class Result(msgspec.Struct, frozen=True):
    engine: str
    turns: list[Turn]

    def cell(self, target: str, streams: int, figure: str) -> list[float]:
        return [
            float(getattr(turn, figure))
            for turn in self.turns
            if (turn.target, turn.streams) == (target, streams)
        ]


def _bodies(turn: int, count: int) -> list[bytes]:
    """Prompts that no earlier turn asked, so that no prefix cache helps one side."""
    return [
        msgspec.json.encode(
            {
                "model": MODEL,
                "messages": [
                    {
                        "role": "user",
                        "content": f"Story {turn}-{number}: write a very long story about a basket"
                        " maker, her village, and each of the twelve baskets she made.",
                    }
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_tokens": TOKENS,
                "temperature": 0,
            }
        )
        for number in range(count)
    ]


@contextlib.contextmanager
def _engine_alone(model: ModelRecord, files: dict[str, Path]) -> Iterator[tuple[str, str, str]]:
    """A child of the same plug-in with the same options: (engine version, address, key)."""
    (point,) = entry_points(group="secondbasket.engines", name="llamacpp")
    engine: Engine = point.load()()
    key = secrets.token_urlsafe(32)
    child = engine.child(model, files, OPTIONS, key)
    with subprocess.Popen(
        child.command,
        env={**os.environ, **child.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(child.configuration + b"\n")
            process.stdin.flush()
            word, port = process.stdout.readline().decode().split()
            if word != "ready":
                raise RuntimeError(f"the engine said {word!r}")
            yield engine.version(), f"http://127.0.0.1:{port}", key
        finally:
            process.terminate()


def run(*, rounds: int) -> Result:
    basket = local_basket(
        SECONDBASKET_ENGINE_CONTEXT_TOKENS=str(OPTIONS.context_tokens),
        SECONDBASKET_ENGINE_SLOTS=str(OPTIONS.slots),
        SECONDBASKET_ENGINE_THREADS=str(OPTIONS.threads),
        SECONDBASKET_ENGINE_CACHE_MIB=str(OPTIONS.cache_mib),
        SECONDBASKET_ENGINE_SECOND="",  # it would load while the first is timed
    )
    record = Registry(basket.home / "models" / "manifests").get(MODEL)
    store = Store(basket.home / "models")
    files = {file.name: store.path_of(file.sha256) for file in record.files}
    turns: list[Turn] = []
    with basket.up(), _engine_alone(record, files) as (version, url, engine_key):
        targets = {
            "engine alone": (url, engine_key),
            "through the gateway": (basket.url, basket.key()),
        }
        order = list(targets.items())
        number = 0
        for _ in range(rounds):
            order.reverse()  # who goes first would otherwise gain or lose by it every time
            for streams in STREAMS:
                number += 1
                for name, (address, key) in order:
                    rate, answers = together(
                        f"{address}/v1/chat/completions", key=key, bodies=_bodies(number, streams)
                    )
                    first = statistics.median(answer.first_ms for answer in answers)
                    turns.append(Turn(name, streams, rate, first))
    return Result(engine=version, turns=turns)
