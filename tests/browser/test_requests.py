"""What reaches the console without a page: bad bodies, slow readers; and its headers."""

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from secondbasket.server.console.ports import ModelView
from secondbasket.server.console.security import HEADERS
from tests.browser.scripted_console import MODEL, Console, ScriptedModel, scripted_console

pytestmark = pytest.mark.anyio

ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


class Broken(tuple[ModelView]):
    """Models that cannot be looked at."""

    __slots__ = ()

    def __iter__(self) -> Iterator[ModelView]:
        raise ZeroDivisionError("a secret detail")


@asynccontextmanager
async def session(console: Console) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that holds a session's cookie, its token and our origin."""
    headers = {"Origin": console.url.removesuffix("/console")}
    jar = aiohttp.CookieJar(unsafe=True)  # it would not keep cookies of a bare address
    # A small buffer, so that a reader that stops reading is felt at once.
    async with aiohttp.ClientSession(headers=headers, cookie_jar=jar, read_bufsize=1024) as client:
        async with client.get(f"{console.url}/login") as page:
            token = (await page.text()).split('name="csrf_token" value="')[1].split('"')[0]
        form = {"key": console.admin[1], "csrf_token": token}
        async with client.post(f"{console.url}/login", data=form) as page:
            token = (await page.text()).split('data-token="')[1].split('"')[0]
        client.headers["X-CSRF-Token"] = token
        yield client


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_request"),
        (b"{", 400, "invalid_request"),
        (b"\xff\xfe", 400, "invalid_request"),
        (b'{"model": "m", "messages": "x"}', 400, "invalid_request"),
        (b'{"model": "m", "messages": []}', 400, "invalid_request"),
        (
            b'{"model": "m", "messages": [{"role": "system", "content": ""}]}',
            400,
            "invalid_request",
        ),
        (b'{"model": "m", "messages": [], "api_base": "http://x"}', 400, "invalid_request"),
        (
            b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "data_class": "top"}',
            400,
            "invalid_request",
        ),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}', 404, "model_not_found"),
        (b"[" * 100_000, 400, "invalid_request"),
        (b" " * (1 << 20) + b"{}", 413, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_in_words(
    console: Console, body: bytes, status: int, code: str
) -> None:
    accept = {"Accept": "application/x-ndjson"}
    async with (
        session(console) as client,
        client.post(f"{console.url}/chat", data=io.BytesIO(body), headers=accept) as reply,
    ):
        assert reply.status == status
        error: dict[str, Any] = (await reply.json(content_type=None))["error"]
        assert error["code"] == code
        assert error["message"]
        assert error["hint"]
    assert console.model.exchanges == []


async def test_a_reader_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    async with scripted_console(tmp_path, stall_seconds=0.3) as console:
        console.model = ScriptedModel(pieces=("x" * 65_536,) * 400)
        async with (
            session(console) as client,
            client.post(f"{console.url}/chat", json=ASK) as reply,
        ):
            assert reply.status == 200
            with anyio.fail_after(20):
                await console.model.hung_up.wait()
                await console.recorded.wait()
        assert (await console.ledger.rows(limit=1))[0].outcome == "client_closed"


async def test_a_body_of_no_declared_length_is_limited_too(console: Console) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    async with session(console) as client:
        with anyio.fail_after(10):
            try:
                async with client.post(f"{console.url}/chat", data=endless()) as reply:
                    assert reply.status == 413
            except aiohttp.ClientError:
                pass  # it was cut off while it was still sending
    assert console.model.exchanges == []


@pytest.mark.parametrize(
    "path", ["", "/", "/login", "/chat", "/static/console.css", "/static/../chat.py", "/none"]
)
async def test_every_response_carries_the_protections(console: Console, path: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{console.url}{path}", allow_redirects=path == "") as reply,
    ):
        for name, value in HEADERS.items():
            assert reply.headers[name] == value, name
        kept = "no-cache" if reply.status == 200 and "/static/" in path else "no-store"
        assert reply.headers["cache-control"] == kept
        policy = reply.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


async def test_an_unexpected_fault_gives_a_number_and_no_insides(console: Console) -> None:
    console.models = Broken()
    async with session(console) as client, client.get(f"{console.url}/models") as reply:
        assert reply.status == 500
        text = await reply.text()
    assert "the log knows it as err_" in text
    assert "secret detail" not in text
    assert "Traceback" not in text
