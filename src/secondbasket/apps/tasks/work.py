"""The durable part of the loop: a DBOS workflow over the moves of one task.

Each run of a task is one workflow, each move one step of it: a model turn or a
tool call. The task's own log is what a crash is recovered from; DBOS keeps the
workflow, so that a run that was under way is taken up where it stood.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import msgspec

from secondbasket.apps.tasks.crew import Crew
from secondbasket.apps.tasks.decide import decide
from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.moves import Ask, Call, Fix, Stop
from secondbasket.apps.tasks.records import LeaseLost
from secondbasket.core.task import Called, Entry, Planned, Turned

_log = logging.getLogger(__name__)

Make = Callable[[], Coroutine[None, None, str]]
Step = Callable[[str, Make], Awaitable[str]]
"""Runs what it is given as a durable step of that name, or tells what it brought before."""

Made = Planned | Turned | Called | Halt
_made: msgspec.json.Decoder[Made] = msgspec.json.Decoder(Made)


async def work(crew: Crew, task: str, start: int, step: Step) -> str:
    """Go on with `task`, whose log had `start` entries when this run began; how it was put down."""
    try:
        brief = await crew.brief(task)
        log = await crew.log(task, start)
        while not isinstance(move := decide(brief, log), Stop):
            entry = _made.decode(await step(_NAMES[type(move)], _maker(crew, task, log, move)))
            if isinstance(entry, Halt):
                await crew.settle(task, entry)
                return entry.state
            log.append(entry)
        await crew.settle(task, move)
    except LeaseLost as error:
        _log.warning("%s", error)
        return "lost"
    return move.state


_NAMES = {Ask: "model turn", Call: "tool call", Fix: "plan"}


def _maker(crew: Crew, task: str, log: Sequence[Entry], move: Ask | Call | Fix) -> Make:
    async def make() -> str:
        return msgspec.json.encode(await crew.make(task, len(log), move, log)).decode()

    return make
