"""Threat 20: a client that asks for a long stream and takes nothing of it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.raw import request
from tests.running import running

_PIECE = json.dumps(
    {"choices": [{"index": 0, "delta": {"content": "word " * 2000}, "finish_reason": None}]}
)
# The kernel's buffers between two sockets of one machine hold some 6 MB; this is more.
_PIECES = 2000


class Flood:
    """An upstream that streams 20 MB as fast as they are taken, and knows when it is cut off."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0
        self.cut_off = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except OSError:
            return
        with caller:
            caller.recv(65536)
            event = f"data: {_PIECE}\n\n".encode()
            chunk = b"%x\r\n%s\r\n" % (len(event), event)
            try:
                caller.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n"
                )
                while self.sent < _PIECES:
                    caller.sendall(chunk)
                    self.sent += 1
            except OSError:
                self.cut_off.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def flood() -> Iterator[Flood]:
    upstream = Flood()
    yield upstream
    upstream.close()


def test_a_reader_that_stalls_loses_its_stream(stocked_home: Path, flood: Flood) -> None:
    """The call is cut off at its upstream too, and is on record as the client's doing."""
    (stocked_home / "basket.toml").write_text(
        f"""
        [server]
        client_stall_seconds = 1.0
        [egress]
        allow = ["127.0.0.1:{flood.port}"]
        [providers.test]
        base_url = "http://127.0.0.1:{flood.port}/v1"
        law = "local"
        [upstreams.flood]
        provider = "test"
        model = "flood"
        context_tokens = 1000000
        price_input_per_million = 0
        price_output_per_million = 0
        [baskets.flood]
        upstreams = ["flood"]
        """
    )
    with running(stocked_home) as server, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", server.port))
        body = {
            "model": "flood",
            "stream": True,
            "messages": [{"role": "user", "content": "a"}],
        }
        headers = {"Host": "127.0.0.1", **server.headers}
        reader.sendall(request("POST", "/v1/chat/completions", headers, json.dumps(body).encode()))
        assert flood.cut_off.wait(30), f"all {flood.sent} pieces were taken"
        deadline = time.monotonic() + 10
        while not (rows := server.basket("usage", "--rows", "1")):
            assert time.monotonic() < deadline, "the call is not on record"
        (row,) = rows
        assert (row["upstream"], row["outcome"]) == ("flood", "client_closed")
