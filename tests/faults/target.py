"""A gateway that is measured, and what it made of each case."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import httpx2
import msgspec

from tests.faults.calls import Seen, call
from tests.faults.cases import Case, Pair

AT_ONCE = 3
_GRACE_SECONDS = 5.0

Outcome = Literal[
    "complete from the first",
    "complete from the second",
    "complete, continued",
    "refusal passed on",
    "explicit error",
    "clean end of a broken answer",
    "repeated words",
    "missing words",
    "malformed bytes",
    "hung",
]


class Target(msgspec.Struct, frozen=True):
    """Where a gateway listens, and the headers that let a client in."""

    url: str
    headers: Mapping[str, str]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the client saw of one case, and how often each upstream was called for it.

    `left_open` are calls that were still under way there some seconds after every client had gone.
    """

    case: str
    fault: str
    road: str
    mode: str
    outcome: Outcome
    seen: Seen
    first_calls: int
    second_calls: int
    left_open: int = 0


async def measure(
    target: Target, cases: list[Case], pairs: dict[str, Pair], *, patience: float
) -> list[Measured]:
    """Every case, a few at a time, in the order of the catalogue."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(client: httpx2.AsyncClient, case: Case) -> Measured:
        async with limit:
            seen = await call(
                client,
                url=target.url,
                headers=target.headers,
                model=case.model,
                kind=case.kind,
                form=case.form,
                stream=case.mode == "stream",
                patience=patience,
            )
        pair = pairs[case.model]
        return Measured(
            case=case.title,
            fault=case.fault.name,
            road=case.road,
            mode=case.mode,
            outcome=outcome(seen, pair),
            seen=seen,
            first_calls=len(pair.first.calls),
            second_calls=len(pair.second.calls),
        )

    async with httpx2.AsyncClient(trust_env=False) as client:
        measured = await asyncio.gather(*(one(client, case) for case in cases))
    await asyncio.sleep(_GRACE_SECONDS)
    return [
        msgspec.structs.replace(each, left_open=pairs[case.model].under_way)
        for each, case in zip(measured, cases, strict=True)
    ]


def outcome(seen: Seen, pair: Pair) -> Outcome:
    """The one word for it: whether the client has an answer, knows that it has none, or neither."""
    if seen.ending == "hung":
        return "hung"
    if seen.ending == "malformed":
        return "malformed bytes"
    if seen.failed_openly:
        return "explicit error"
    if seen.finish_reason == "content_filter":
        return "refusal passed on"
    if seen.flaw == "repeated":
        return "repeated words"
    if seen.flaw == "missing":
        return "missing words"
    if not seen.whole:
        return "clean end of a broken answer"
    if not pair.second.calls:
        return "complete from the first"
    if any(each.asked.begun for each in pair.second.calls):
        return "complete, continued"
    return "complete from the second"
