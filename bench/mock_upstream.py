"""An upstream that answers at once: the OpenAI chat wire, scripted, in one small process.

Run as ``python -m bench.mock_upstream PORT``; prints ``ready`` once it listens on 127.0.0.1. With
``--stall`` it takes requests and never answers one.
Written on the bare protocol so that it costs far less than what is measured in front of it.
"""

import asyncio
import sys
from typing import cast

import httptools
import msgspec
import uvloop

WORDS = ("A", " basket", " is", " a", " container", " made", " of", " woven", " fibre", ".")
_HEAD = {"id": "chatcmpl-mock", "created": 1700000000, "model": "mock"}
_USAGE = {"prompt_tokens": 12, "completion_tokens": len(WORDS), "total_tokens": 12 + len(WORDS)}


def _plain() -> bytes:
    body = msgspec.json.encode(
        {
            **_HEAD,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(WORDS), "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
        }
    )
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _event(choices: list[object], usage: dict[str, int] | None) -> bytes:
    chunk = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    data = b"data: " + msgspec.json.encode(chunk) + b"\n\n"
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _stream() -> list[bytes]:
    def choice(delta: dict[str, str], finish: str | None = None) -> list[object]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    done = b"data: [DONE]\n\n"
    return [
        head + _event(choice({"role": "assistant", "content": ""}), None),
        *(_event(choice({"content": word}), None) for word in WORDS),
        _event(choice({}, "stop"), None),
        _event([], _USAGE) + f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n",
    ]


STALLS = "--stall" in sys.argv
PLAIN = _plain()
STREAM = _stream()


class _Asked(msgspec.Struct):
    stream: bool = False


class MockProtocol(asyncio.Protocol):
    """One connection: reads whole requests, answers each with the scripted bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if STALLS:
            return
        asked = msgspec.json.decode(bytes(self._body) or b"{}", type=_Asked)
        self._body.clear()
        if asked.stream:
            for piece in STREAM:
                self._transport.write(piece)
        else:
            self._transport.write(PLAIN)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(MockProtocol, "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
