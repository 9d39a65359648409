"""How each fault is performed, on a plain answer and on a stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

import msgspec

from tests.faults.answer import WORDS
from tests.faults.line import Line
from tests.faults.wire import Asked, Reply, Tell, Wire, honest

STALLED_AFTER = 20
CUT_AFTER = 40
_DRIP_SECONDS = 0.05
_WORD_SECONDS = 0.001
_READ_SECONDS = 0.1


class Scene(msgspec.Struct, frozen=True):
    """One call on the stage: the connection, the wire, what was asked."""

    line: Line
    wire: Wire
    asked: Asked

    @property
    def reply(self) -> Reply:
        return self.told()

    def told(self, tell: Tell = honest, *, running: bool = False) -> Reply:
        return self.wire.reply(self.asked, tell, running=running)


Act = Callable[[Scene], Awaitable[None]]


async def healthy(scene: Scene) -> None:
    await _whole(scene, scene.reply)


async def _whole(scene: Scene, reply: Reply) -> None:
    if not scene.asked.stream:
        await scene.line.respond(reply.whole)
        return
    await scene.line.begin_stream()
    await scene.line.events(*reply.opening, *reply.fragments, *reply.closing, *reply.end)
    await scene.line.end_stream()


async def _begun(scene: Scene, fragments: int, reply: Reply | None = None) -> None:
    """The answer so far: `fragments` of a stream, or as large a part of a plain body."""
    line, reply = scene.line, reply or scene.reply
    if scene.asked.stream:
        await line.begin_stream()
        await line.events(*reply.opening)
        for fragment in reply.fragments[:fragments]:
            await line.events(fragment)
            await asyncio.sleep(_WORD_SECONDS)
    else:
        await line.begin_body(len(reply.whole))
        await line.send(reply.whole[: len(reply.whole) * fragments // WORDS])
    # A client library may throw away what it has not handed on when the connection breaks.
    await asyncio.sleep(_READ_SECONDS)


async def refuse(scene: Scene) -> None:
    """Only reached through a port that is open after all: refusing is done by not listening."""
    scene.line.reset()


async def reset(scene: Scene) -> None:
    scene.line.reset()


async def reset_midway(scene: Scene) -> None:
    await _begun(scene, STALLED_AFTER)
    scene.line.reset()


async def hang(scene: Scene) -> Never:
    await scene.line.silence()


async def hang_before_first_token(scene: Scene) -> Never:
    await _begun(scene, 0)
    await scene.line.silence()


async def stall(scene: Scene) -> Never:
    await _begun(scene, STALLED_AFTER)
    await scene.line.silence()


async def cut(scene: Scene) -> None:
    await _begun(scene, CUT_AFTER)
    scene.line.close()


async def cut_counting(scene: Scene) -> None:
    await _begun(scene, CUT_AFTER, scene.told(running=True))
    scene.line.close()


async def bad_json(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    if not scene.asked.stream:
        await line.respond(reply.whole[: len(reply.whole) // 2])
        return
    await _begun(scene, STALLED_AFTER)
    broken = reply.fragments[STALLED_AFTER]
    await line.events(broken[: len(broken) // 2] + b"\n\n")
    await line.events(*reply.fragments[STALLED_AFTER + 1 :], *reply.closing, *reply.end)
    await line.end_stream()


async def bad_chunking(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    if scene.asked.stream:
        await _begun(scene, STALLED_AFTER)
    else:
        await line.begin_stream("application/json")
        await line.events(reply.whole[: len(reply.whole) // 2])
    await line.send(b"zz\r\nnot a chunk\r\n")
    line.close()


async def duplicate_chunk(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    await _begun(scene, STALLED_AFTER)
    await line.events(reply.fragments[STALLED_AFTER - 1], *reply.fragments[STALLED_AFTER:])
    await line.events(*reply.closing, *reply.end)
    await line.end_stream()


async def end_unfinished(scene: Scene) -> None:
    await _begun(scene, CUT_AFTER)
    await scene.line.end_stream()


async def end_without_done(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    await line.begin_stream()
    await line.events(*reply.opening, *reply.fragments, *reply.closing)
    await line.end_stream()


async def error_as_success(scene: Scene) -> None:
    await scene.line.respond(scene.wire.error(500))


async def error_event_first(scene: Scene) -> None:
    await scene.line.begin_stream()
    await scene.line.events(scene.wire.error_event())
    await scene.line.end_stream()


async def error_event_midway(scene: Scene) -> None:
    await _begun(scene, STALLED_AFTER)
    await scene.line.events(scene.wire.error_event())
    await scene.line.end_stream()


def status(code: int, **headers: str) -> Act:
    """Answers HTTP `code`, with `headers` whose underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(scene: Scene) -> None:
        await scene.line.respond(scene.wire.error(code), status=code, headers=named)

    return act


async def slow_drip(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    if scene.asked.stream:
        await _begun(scene, STALLED_AFTER)
        event = reply.fragments[STALLED_AFTER]
        await line.send(b"%x\r\n" % (len(event) * 1000))
        await line.drip(event.rstrip(b"\n") * 1000, every=_DRIP_SECONDS)
    else:
        await line.begin_body(len(reply.whole) * 1000)
        await line.drip(reply.whole * 1000, every=_DRIP_SECONDS)


async def split_events(scene: Scene) -> None:
    line, reply = scene.line, scene.reply
    if not scene.asked.stream:
        await line.begin_body(len(reply.whole))
        for start in range(0, len(reply.whole), 7):
            await line.send(reply.whole[start : start + 7])
        return
    await line.begin_stream()
    stream = b"".join([*reply.opening, *reply.fragments, *reply.closing, *reply.end])
    for start in range(0, len(stream), 97):
        await line.events(stream[start : start + 97])
    await line.end_stream()


def counting(tell: Tell) -> Act:
    """A whole answer whose token counts are what `tell` makes of the true ones."""

    async def act(scene: Scene) -> None:
        await _whole(scene, scene.told(tell))

    return act


async def too_few_vectors(scene: Scene) -> None:
    fewer = msgspec.structs.replace(scene.asked, inputs=scene.asked.inputs - 1)
    await scene.line.respond(scene.wire.reply(fewer, honest, running=False).whole)


async def declined(scene: Scene) -> None:
    await _whole(scene, scene.wire.refused(scene.asked))
