"""Threat 20: a client that asks for a long stream and takes nothing of it."""

import json
import socket
import time
from pathlib import Path

import httpx2

from tests.acceptance.raw import request
from tests.running import running

CHAT = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "Count to a thousand."}]


def test_a_reader_that_stalls_loses_its_stream(stocked_home: Path) -> None:
    """The call is ended and on record, and its slot answers somebody else."""
    patience = {"SECONDBASKET_SERVER_CLIENT_STALL_SECONDS": "1"}
    with running(stocked_home, settings=patience) as server, socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(30)
        wire.connect(("127.0.0.1", server.port))
        # Every token brings the log-probabilities of twenty others: more than buffers hold.
        body = {
            "model": CHAT,
            "messages": ASK,
            "stream": True,
            "max_tokens": 1500,
            "logprobs": True,
            "top_logprobs": 20,
            "logit_bias": {"2": -100},  # the end of the answer is not reached by itself
        }
        headers = {"Host": "127.0.0.1", **server.headers}
        wire.sendall(request("POST", "/v1/chat/completions", headers, json.dumps(body).encode()))
        deadline = time.monotonic() + 60
        while not (rows := server.basket("usage", "--rows", "1")):
            assert time.monotonic() < deadline, "the stalled stream was never ended"
            time.sleep(0.2)
        (row,) = rows
        assert row["outcome"] == "client_closed"
        assert 0 < row["output_tokens"] < 1500
        answer = httpx2.post(
            f"{server.url}/v1/chat/completions",
            json={"model": CHAT, "messages": ASK, "max_tokens": 2},
            headers=server.headers,
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200
