"""The engine alone, and the same engine behind the gateway, in turns.

The engine alone is a second child process, started by the same plug-in with the same model and
options, so that both sides differ by the gateway only.
"""

import contextlib
import secrets
import statistics
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from bench.processes import Basket
from bench.start import local_basket
from bench.stream import together
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import Engine, EngineOptions

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
