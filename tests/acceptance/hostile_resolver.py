"""Runs inside the network of `test_rebinding`: the product, and a resolver that changes its mind.

``python -m tests.acceptance.hostile_resolver HOME`` prints what each call gave, as JSON. Every
name is answered by us; 169.254.169.254, where clouds hand out credentials, listens and takes note.
"""

import json
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.faults.configuration import Basket, Member, configuration
from tests.faults.server import FaultServer
from tests.running import Running, running

METADATA = "169.254.169.254"
NAME = "provider.example"
_ADDRESS_RECORD = 1


class Resolver:
    """Answers every question for an IPv4 address with `addresses`, good for no time at all."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.1"]
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        end = at + 5
        (kind,) = struct.unpack(">H", question[at + 1 : at + 3])
        self.asked.append(".".join(labels))
        addresses = self.addresses if kind == _ADDRESS_RECORD else []
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
        records = b"".join(
            struct.pack(">HHHIH", 0xC00C, _ADDRESS_RECORD, 1, 0, 4) + socket.inet_aton(address)
            for address in addresses
        )
        return head + question[12:end] + records


@contextmanager
def listener(address: str, port: int) -> Iterator[list[bytes]]:
    """What comes to a place that nobody should come to."""
    visits: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                visitor, _ = server.accept()
            except OSError:
                return
            with visitor:
                visits.append(visitor.recv(65536))

    with socket.create_server((address, port)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield visits
        server.shutdown(socket.SHUT_RDWR)


def ask(product: Running, basket: str) -> dict[str, Any]:
    answer = httpx2.post(
        f"{product.url}/v1/chat/completions",
        json={"model": basket, "messages": [{"role": "user", "content": "Say your words."}]},
        headers=product.headers,
        timeout=60,
        trust_env=False,
    )
    return {"status": answer.status_code, "text": answer.text}


def main(home: Path) -> None:
    resolver = Resolver()
    results: dict[str, Any] = {}
    with FaultServer() as server, FaultServer() as other:
        named = server.upstream("named")
        spare = other.upstream("spare")
        baskets = [
            Basket(name="two", kind="chat", members=[Member(named), Member(spare)], seconds=10),
            Basket(name="alone", kind="chat", members=[Member(named)], seconds=10),
        ]
        text = configuration([server, other], baskets, health="failures_to_open = 1000")
        (home / "basket.toml").write_text(
            text.replace(f"http://127.0.0.1:{server.port}/", f"http://{NAME}:{server.port}/")
        )
        with listener(METADATA, server.port) as visits, running(home) as product:
            for step, addresses in (
                ("at first", ["127.0.0.1"]),
                ("rebound", [METADATA]),
                ("one of two", ["127.0.0.1", METADATA]),
                ("rebound to any", ["0.0.0.0"]),
                ("mended", ["127.0.0.1"]),
            ):
                resolver.addresses = addresses
                server.shut()  # so that no kept-alive connection answers for the old address
                server.listen()
                called = len(named.calls)
                results[step] = {
                    "two": ask(product, "two"),
                    "alone": ask(product, "alone"),
                    "calls": len(named.calls) - called,
                }
        results["visits"] = len(visits)
        results["asked"] = NAME in resolver.asked
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
