"""What looking into a text costs: by itself, to the event loop beside it, and to the gateway."""

import asyncio
import random
import statistics
import time
from collections.abc import Callable

import anyio
import msgspec
from anyio import to_thread

from bench.gateway import basket_before, mock_upstream
from bench.wrk import Load, measure
from secondbasket.policy.policy import Policy, load_detectors
from secondbasket.policy.texts import Texts
from tools.locks import ROOT

SIZES = {"4 kB": 4_000, "100 kB": 100_000}
MODES = ("without detectors", "with detectors")
QUESTIONS = {"a short question": 40, "4 kB of text": 4_000, "100 kB of text": 100_000}
CONNECTIONS = 16
_CALLS = {"4 kB": 200, "100 kB": 20}


class Result(msgspec.Struct, frozen=True):
    """Milliseconds of one look (text → size → rounds), the longest time in milliseconds that the
    event loop stood still while a thread looked into 100 kB, and whole calls (question → mode)."""

    look_ms: dict[str, dict[str, list[float]]]
    held_ms: list[float]
    gateway: dict[str, dict[str, list[Load]]]


def _texts() -> dict[str, str]:
    """Ordinary texts, and some that were made to keep a reader busy."""
    corpora = ROOT / "tests" / "corpora"
    letters = (corpora / "business.txt").read_text()
    chance = random.Random(0)
    rows = "".join(
        f"2026-11-{day % 28 + 1:02d},ORD-{10_000 + day},{chance.random() * 1e4:.2f},"
        f"{chance.randrange(10**9)},Item {day}\n"
        for day in range(3_000)
    )
    return {
        "business text": letters.encode("ascii", "replace").decode(),
        "business text with umlauts": letters.translate(str.maketrans("aou", "äöü")),
        "source code": (corpora / "program.txt").read_text(),
        "a table of numbers": rows,
        "hostile: digits": "1234567890",
        "hostile: letters": "a",
        "hostile: @": "@",
        "hostile: almost account numbers": "DE89 3704 0044 0532 0130 01 ",
    }


def _cut(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def _look_ms(policy: Policy, text: str, calls: int) -> float:
    texts = Texts(text)
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        policy.classify(texts, {})
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


async def _held_ms(look: Callable[[], object]) -> float:
    """The longest pause of a loop that does nothing but look at the clock."""
    longest, done = 0.0, False

    async def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await asyncio.sleep(0.01)
        longest = 0.0
        await to_thread.run_sync(look)
        done = True
    return longest * 1000


def _question(size: int) -> bytes:
    text = _cut((ROOT / "tests" / "corpora" / "business.txt").read_text(), size)
    messages = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": "mock", "messages": messages, "max_tokens": 16})


def run(*, rounds: int, seconds: int) -> Result:
    policy = Policy(detectors=load_detectors().values())
    texts = {
        name: {size: _cut(text, length) for size, length in SIZES.items()}
        for name, text in _texts().items()
    }
    look: dict[str, dict[str, list[float]]] = {name: {size: [] for size in SIZES} for name in texts}
    held = []
    letters = Texts(texts["business text"]["100 kB"])
    for _ in range(rounds):
        for name, cuts in texts.items():
            for size, text in cuts.items():
                look[name][size].append(_look_ms(policy, text, _CALLS[size]))
        held.append(anyio.run(_held_ms, lambda: policy.classify(letters, {})))

    gateway: dict[str, dict[str, list[Load]]] = {
        question: {mode: [] for mode in MODES} for question in QUESTIONS
    }
    with mock_upstream() as mock:
        homes = {
            mode: basket_before(mock, f"detectors-{number}", detect=mode == "with detectors")
            for number, mode in enumerate(MODES)
        }
        without, looking = homes.values()
        with without.up(), looking.up():
            keys = {mode: home.key() for mode, home in homes.items()}
            for _ in range(rounds):
                for question, length in QUESTIONS.items():
                    for mode, home in homes.items():
                        load = measure(
                            f"{home.url}/v1/chat/completions",
                            key=keys[mode],
                            body=_question(length),
                            connections=CONNECTIONS,
                            seconds=seconds,
                        )
                        gateway[question][mode].append(load)
    return Result(look_ms=look, held_ms=held, gateway=gateway)
