"""Upstreams that fail on command: a real HTTP server on loopback, in a thread of its own.

One server holds any number of upstreams; the first part of a path says which is meant. It speaks
the OpenAI wire and Anthropic's, whichever an upstream is for.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine
from typing import Any, Literal, Self, TypeVar

import msgspec

from tests.faults.acts import Act, Scene, healthy
from tests.faults.answer import fragments
from tests.faults.anthropic_wire import AnthropicWire
from tests.faults.catalogue import Fault
from tests.faults.line import Line
from tests.faults.openai_wire import OpenAIWire
from tests.faults.wire import Asked, Wire

Result = TypeVar("Result")
WireName = Literal["openai", "anthropic"]
Manner = Literal["obeys", "goes straight on", "starts over", "comments"]
"""How a model takes the instruction to repeat the last words of an answer and go on."""
_WIRES: dict[WireName, Wire] = {"openai": OpenAIWire(), "anthropic": AnthropicWire()}


class Call:
    """One call as an upstream got it. `over` once it was answered or given up."""

    def __init__(self, asked: Asked, body: bytes, headers: dict[str, str]) -> None:
        self.asked = asked
        self.body = body
        self.headers = headers
        self.over = threading.Event()


class Upstream:
    """Something that answers, well or with `fault`. Its calls are kept, in order."""

    def __init__(self, server: "FaultServer", name: str, wire: WireName) -> None:
        self.name = name
        self.wire = wire
        self.calls: list[Call] = []
        self.manner: Manner = "obeys"
        self.fault: Fault | None = None
        self._server = server
        self._left = 0

    def fail(self, fault: Fault) -> None:
        """From now on, for as many calls as the fault has it for."""
        self._left = -1 if fault.first is None else fault.first
        self.fault = fault

    def heal(self) -> None:
        self.fault = None

    @property
    def base_url(self) -> str:
        """What stands before ``/chat/completions`` or ``/messages``."""
        listens = self.fault is None or self.fault.listens
        port = self._server.port if listens else self._server.closed_port
        return f"http://127.0.0.1:{port}/{self.name}/v1"

    def is_quiet(self, seconds: float) -> bool:
        """No call is under way any more, having waited `seconds` at most for each."""
        return all(call.over.wait(seconds) for call in self.calls)

    async def answer(self, path: str, headers: dict[str, str], body: bytes, line: Line) -> None:
        wire = _WIRES[self.wire]
        asked = _taken(wire.asked(path, json.loads(body)), self.manner)
        if path.endswith("/count_tokens"):  # which costs nothing and is no call of the model
            await line.respond(json.dumps({"input_tokens": asked.read}).encode())
            return
        call = Call(asked, body, headers)
        self.calls.append(call)
        fault = self.fault
        act: Act = healthy
        if fault is not None and self._left:
            self._left -= 1
            act = fault.act
        try:
            await act(Scene(line, wire, asked))
        finally:
            call.over.set()


class FaultServer:
    """Use it in a ``with`` block. `closed_port` is one that nobody listens on or can take."""

    def __init__(self) -> None:
        self.port = 0
        self.closed_port = 0
        self.upstreams: dict[str, Upstream] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faults")
        self._held = socket.socket()
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._held.bind(("127.0.0.1", 0))  # bound and not listening: it refuses, and stays ours
        self.closed_port = self._held.getsockname()[1]
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._run(self._end_calls())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._held.close()

    def upstream(
        self, name: str, wire: WireName = "openai", fault: Fault | None = None
    ) -> Upstream:
        """A new upstream at ``/NAME/v1``."""
        made = self.upstreams[name] = Upstream(self, name, wire)
        if fault is not None:
            made.fail(fault)
        return made

    def listen(self) -> None:
        """Listen (again), on the port it always had."""
        self._run(self._listen())

    def shut(self) -> None:
        """Stop listening and drop every connection: from now on it refuses."""
        self._run(self._shut())

    @property
    def connections(self) -> int:
        """Connections that are open, in use or kept alive."""
        return len(self._writers)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._listener.wait_closed()
        self._listener = None

    async def _end_calls(self) -> None:
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            ahead = b""
            while (head := await _head(reader, ahead)) is not None:
                path, headers = head
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                line = Line(writer)
                ahead = await self._exchange(path, headers, body, line, reader)
                if line.broken:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(
        self,
        path: str,
        headers: dict[str, str],
        body: bytes,
        line: Line,
        reader: asyncio.StreamReader,
    ) -> bytes:
        """One call. Returns what came of the next; a client that hangs up ends this one."""
        answer = asyncio.ensure_future(self._answer(path, headers, body, line))
        hang_up = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and (hang_up.exception() or hang_up.result() == b""):
            line.broken = True
            answer.cancel()
        await asyncio.wait({answer})
        hang_up.cancel()  # changes nothing where it is done
        await asyncio.wait({hang_up})
        lost = hang_up.cancelled() or hang_up.exception() is not None
        if not answer.cancelled():
            answer.result()
        return b"" if lost else hang_up.result()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes, line: Line) -> None:
        upstream = self.upstreams.get(path.split("/")[1])
        if upstream is None or not body:
            await line.respond(b'{"error": {"message": "nothing here"}}', status=404)
            return
        await upstream.answer(path, headers, body, line)


def _taken(asked: Asked, manner: Manner) -> Asked:
    """The call as a model of that manner takes it."""
    if not asked.again or manner == "obeys":
        return asked
    again: list[str] = []
    if manner == "starts over":
        again = fragments()[: asked.begun]
    elif manner == "comments":
        again = ["Sorry", " about", " that", "!", " Here", " it", " is", ":\n\n", *asked.again]
    return msgspec.structs.replace(asked, again=again)


async def _head(reader: asyncio.StreamReader, ahead: bytes) -> tuple[str, dict[str, str]] | None:
    """Path and headers of the next request; None where the client has gone."""
    request = ahead + await reader.readline()
    if not request.strip():
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return request.split()[1].decode(), headers
