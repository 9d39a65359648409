"""Threat 22 on the running product: what is confidential stays at home, whatever happens there."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.conftest import CHAT_MODEL
from tests.running import BASKET, Running, environment, running
from tests.scripted_upstream import Exchange, ScriptedUpstream, scripted_upstream
from tests.sensitive import EXAMPLES

pytestmark = pytest.mark.anyio

IBAN = EXAMPLES["iban"][0]
SETTINGS = """
[providers.acme]
base_url = "{url}/v1"
law = "US"
[upstreams.acme-chat]
provider = "acme"
model = "m"
context_tokens = 4096
price_input_per_million = 1
price_output_per_million = 1
[upstreams.acme-embedding]
provider = "acme"
model = "e"
task = "embedding"
context_tokens = 512
price_input_per_million = 1
price_output_per_million = 0
[baskets.outside-first]
upstreams = ["acme-chat", "local/{model}"]
[baskets.outside-only]
upstreams = ["acme-chat"]
[baskets.outside-embedding]
upstreams = ["acme-embedding"]
[projects.payroll]
data_class = "confidential"
"""


async def answering(exchange: Exchange) -> None:
    choice = {"index": 0, "message": {"content": "from outside"}, "finish_reason": "stop"}
    if exchange.path.endswith("/embeddings"):
        await exchange.plain({"data": [{"index": 0, "embedding": [0.5]}]})
    else:
        await exchange.plain({"choices": [choice], "usage": {"prompt_tokens": 3}})


@dataclass
class Product:
    server: Running
    outside: ScriptedUpstream
    web: aiohttp.ClientSession

    @property
    def left(self) -> int:
        """How many requests of callers the vendor outside was sent; probes have no body."""
        return sum(bool(exchange.body) for exchange in self.outside.exchanges)

    async def ask(
        self, model: str, words: str, *, key: str | None = None, data_class: str | None = None
    ) -> tuple[int, Any, str]:
        """Status, body, and the class on the answer."""
        body = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": words}]}
        return await self.post("chat/completions", body, key=key, data_class=data_class)

    async def post(
        self, path: str, body: Any, *, key: str | None = None, data_class: str | None = None
    ) -> tuple[int, Any, str]:
        headers = {"Authorization": f"Bearer {key or self.server.key}"}
        if data_class is not None:
            headers["x-basket-data-class"] = data_class
        url = f"{self.server.url}/v1/{path}"
        async with self.web.post(url, json=body, headers=headers) as response:
            answer = await response.json()
            return response.status, answer, response.headers.get("x-basket-data-class", "")

    async def refusals(self, count: int) -> list[dict[str, Any]]:
        """The policy's refusals, once the ledger has folded so many."""
        file = self.server.home / "secondbasket.db"
        found: list[str] = []
        with anyio.fail_after(30):
            while len(found) < count:
                await anyio.sleep(0.1)
                with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                    query = "SELECT detail FROM decisions WHERE kind = 'policy' ORDER BY at"
                    found = [detail for (detail,) in database.execute(query)]
        return [json.loads(detail) for detail in found]


@asynccontextmanager
async def product(home: Path) -> AsyncIterator[Product]:
    async with scripted_upstream(answering) as outside, aiohttp.ClientSession() as web:
        text = SETTINGS.format(url=outside.base_url.removesuffix("/v1"), model=CHAT_MODEL)
        (home / "basket.toml").write_text(text)
        with running(home) as server:
            yield Product(server, outside, web)


def _explained(home: Path, request: object) -> str:
    """What `basket explain` shows a person."""
    done = subprocess.run(
        [BASKET, "explain", "--file", "-"],
        env=environment(home),
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


async def test_what_is_confidential_stays_at_home(stocked_home: Path) -> None:
    async with product(stocked_home) as house:
        status, answer, data_class = await house.ask("outside-first", "hello")
        assert (status, data_class) == (200, "internal")
        assert answer["choices"][0]["message"]["content"] == "from outside"

        # Found in the text, asked for by the caller, or by the key's project: ours answers.
        made = house.server.basket("key", "create", "--name", "p", "--project", "payroll")
        calls = house.left
        for words, key, wanted in (
            (f"pay {IBAN}", None, None),
            ("hello", None, "confidential"),
            ("hello", made["key"], "public"),
        ):
            status, answer, data_class = await house.ask(
                "outside-first", words, key=key, data_class=wanted
            )
            assert (status, data_class) == (200, "confidential"), answer
            receipt = house.server.basket("receipt", answer["id"])
            assert (receipt["law"], receipt["data_class"]) == ("own", "confidential")
            assert "built-in rule" in receipt["passed_over"]["acme-chat"]

        # No machine of ours behind the name: refused, by name of the rule, without the text.
        status, answer, _ = await house.ask("outside-only", f"pay {IBAN}")
        assert (status, answer["error"]["code"]) == (403, "policy_refused")
        assert "built-in rule" in answer["error"]["message"]
        assert IBAN not in json.dumps(answer)
        status, answer, _ = await house.post(
            "embeddings", {"model": "outside-embedding", "input": ["a", IBAN]}
        )
        assert (status, answer["error"]["code"]) == (403, "policy_refused")
        status, answer, _ = await house.post(
            "embeddings", {"model": "outside-embedding", "input": [[1, 2, 3]]}
        )
        assert (status, answer["error"]["code"]) == (403, "policy_refused")
        assert house.left == calls

        # A misspelt class is no class.
        status, answer, _ = await house.ask("outside-first", "hello", data_class="sekret")
        assert (status, answer["error"]["code"]) == (400, "invalid_request")
        assert house.left == calls

        refusals = await house.refusals(3)
        assert [each["found"] for each in refusals] == ["iban 1", "iban 1", "unread tokens"]
        assert {each["data_class"] for each in refusals} == {"confidential"}
        assert IBAN[-10:] not in json.dumps(refusals)
        async with house.web.get(f"{house.server.url}/metrics") as response:
            metrics = await response.text()
        assert 'secondbasket_policy_refusals_total{data_class="confidential"} 3.0' in metrics

        told = house.server.basket("explain", "--model", "outside-first", f"pay {IBAN}")
        assert told["class"] == "confidential"
        assert [each["upstream"] for each in told["allowed"]] == [f"local/{CHAT_MODEL}"]
        assert [each["upstream"] for each in told["denied"]] == ["acme-chat"]
        request = {"model": "outside-only", "messages": [{"role": "user", "content": IBAN}]}
        shown = await anyio.to_thread.run_sync(_explained, house.server.home, request)
        for words in ("confidential", "found iban: 1", "acme-chat (law US)", "is refused"):
            assert words in shown
        assert IBAN not in shown
        assert house.left == calls


async def test_it_stays_at_home_when_everything_there_is_down(stocked_home: Path) -> None:
    async with product(stocked_home) as house:
        calls = house.left
        engines = [
            replica["pid"]
            for replica in house.server.basket("status")["replicas"]
            if replica["name"] == CHAT_MODEL
        ]
        assert engines
        for pid in engines:
            os.kill(pid, signal.SIGSTOP)  # it takes connections, and answers nothing
        try:
            with anyio.move_on_after(3):
                await house.ask("outside-first", f"pay {IBAN}")
        finally:
            for pid in engines:
                os.kill(pid, signal.SIGKILL)
        for _ in range(5):
            status, answer, _ = await house.ask("outside-first", f"pay {IBAN}")
            assert status in (200, 502, 503), answer  # the engine is started again meanwhile
        assert house.left == calls
        # It would have answered: only the policy kept the request from it.
        assert (await house.ask("outside-first", "hello"))[0] == 200
        assert house.left == calls + 1
