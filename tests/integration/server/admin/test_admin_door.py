"""The admin door over its real socket, on a real stack that has loaded no model."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import anyio
import msgspec
import pytest

from secondbasket.cli.connection import Connection, Refused
from secondbasket.cli.stack import run_stack
from secondbasket.core.chip import Chip
from secondbasket.core.key import Key
from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import PullProgress
from secondbasket.core.receipt import Receipt
from secondbasket.core.usage import UsageRow
from secondbasket.egress.home_socket import home_session
from secondbasket.errors import UpstreamBroken, UpstreamUnavailable
from secondbasket.server.admin.words import KeyCreated, LocalKey, NewKey, PullOrder, Status
from secondbasket.settings import read_settings
from secondbasket.stores.home import Home
from tests.databases import receipt
from tests.tiny_gguf import tiny_gguf

pytestmark = pytest.mark.anyio


class Door:
    """A running stack, a connection to it, and how often it was asked to stop."""

    def __init__(self, connection: Connection, home: Home) -> None:
        self.connection = connection
        self.home = home
        self.stops = 0


@pytest.fixture
async def door(home: Path) -> AsyncIterator[Door]:
    settings = read_settings(home, {}).settings
    place = Home(home)
    place.create()

    def stop() -> None:
        found.stops += 1

    async with home_session(place.admin_socket) as session:
        found = Door(Connection(session), place)
        async with run_stack(
            settings, engines=False, public=False, stop=stop, reread=lambda: settings
        ) as (stack, address):
            assert address == ""
            for number in range(3):
                stack.ledger.record(receipt(request_id=f"req_{number}", key_id="key_1"))
            yield found


async def raw(door: Door, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    async with door.connection.session.request(method, path, data=body) as response:
        return response.status, await response.read()


async def test_the_socket_is_its_owners_alone_and_goes_with_the_stack(home: Path) -> None:
    settings = read_settings(home, {}).settings
    socket = Home(home).admin_socket
    Home(home).create()
    async with run_stack(settings, engines=False, public=False, reread=lambda: settings):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        async with home_session(socket) as session:
            assert (await Connection(session).status()).home == str(home)
    assert not socket.exists()
    async with home_session(socket) as session:
        with pytest.raises(UpstreamUnavailable):
            await Connection(session).status()


async def test_keys_are_made_listed_and_ended(door: Door) -> None:
    server = door.connection
    made = await server.post("keys", KeyCreated, NewKey(name="ann", budget=5))
    assert made.key.startswith("sk-basket-")
    [listed] = await server.get("keys", list[Key])
    assert (listed.id, listed.name, listed.budget, listed.role) == (made.id, "ann", 5, "user")
    assert made.key not in msgspec.json.encode(listed).decode()
    ended = await server.delete(f"keys/{made.id}", Key)
    assert ended.revoked_at is not None


async def test_the_local_key_is_one_key_until_it_stops_working(door: Door) -> None:
    server = door.connection
    first = (await server.post("local-key", LocalKey)).key
    assert (await server.post("local-key", LocalKey)).key == first
    assert door.home.local_key() == first
    [listed] = await server.get("keys", list[Key])
    await server.delete(f"keys/{listed.id}", Key)
    second = (await server.post("local-key", LocalKey)).key
    assert second != first
    assert door.home.local_key() == second


async def test_usage_and_receipts_come_from_the_ledger(door: Door) -> None:
    server = door.connection
    [total] = await server.get("usage", list[UsageRow])
    assert (total.calls, total.input_tokens, total.output_tokens) == (3, 93, 36)
    rows = await server.get("usage", list[UsageRow], by=["key", "basket"], key="key_1")
    assert [(row.key_id, row.basket) for row in rows] == [("key_1", "smollm2-135m-instruct")]
    assert await server.get("usage", list[UsageRow], key="key_2") == []
    assert await server.get("usage", list[UsageRow], until="2026-01-01T00:00:00Z") == []
    assert len(await server.get("receipts", list[Receipt], limit="2")) == 2
    assert (await server.get("receipts/req_1", Receipt)).request_id == "req_1"


async def test_status_and_chips(door: Door) -> None:
    status = await door.connection.status()
    assert (status.state, status.address) == ("not ready", "")
    assert "basket model pull" in status.reason
    [cpu] = [
        chip
        for chip in await door.connection.get("chips", list[Chip], measure="false")
        if chip.kind == "cpu"
    ]
    assert cpu.cores >= 1
    assert cpu.read_bandwidth is None


async def test_a_model_is_pulled_shown_verified_and_removed(door: Door, tmp_path: Path) -> None:
    server = door.connection
    file = tmp_path / "tiny.gguf"
    file.write_bytes(tiny_gguf())
    told: list[PullProgress] = []
    step = await server.steps("pull", PullOrder(wanted=f"file:{file}"), report=told.append)
    assert step.model is not None
    assert step.model.name == "tiny"
    assert {progress.stage for progress in told} >= {"downloading", "verifying"}
    assert [model.name for model in await server.get("models", list[ModelRecord])] == ["tiny"]
    assert await server.get("models/tiny", ModelRecord) == step.model
    step = await server.steps("verify", report=told.append)
    assert step.verified is not None
    assert (step.verified.models, step.verified.broken) == (("tiny",), ())
    [blob] = (door.home.models / "blobs").iterdir()
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"X")
    step = await server.steps("verify", report=told.append, name="tiny")
    assert step.verified is not None
    assert [broken.model for broken in step.verified.broken] == ["tiny"]
    status, body = await raw(door, "DELETE", "/admin/models/tiny")
    assert status == 200
    assert msgspec.json.decode(body)["freed"] == len(tiny_gguf())
    assert await server.get("models", list[ModelRecord]) == []


async def test_a_pull_that_fails_says_why_on_its_last_line(door: Door, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        await door.connection.steps(
            "pull", PullOrder(wanted=f"file:{tmp_path}/none.gguf"), report=lambda progress: None
        )
    assert caught.value.failure.code == "source_unavailable"
    with pytest.raises(Refused, match="neither in the catalogue"):
        await door.connection.steps("pull", PullOrder(wanted="qwen"), report=lambda progress: None)


async def test_a_caller_who_goes_away_ends_the_pull(door: Door, tmp_path: Path) -> None:
    """Copying four gigabytes takes a while; what was copied by then stays far below that."""
    large = tmp_path / "large.gguf"
    with large.open("wb") as file:
        file.truncate(4 * 1024**3)
    order = msgspec.json.encode(PullOrder(wanted=f"file:{large}"))
    async with home_session(door.home.admin_socket) as session:
        response = await session.post("/admin/pull", data=order)
        assert b"progress" in await response.content.readline()
        response.close()
    partial = door.home.models / "partial"
    with anyio.fail_after(20):
        while True:
            before = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
            await anyio.sleep(0.3)
            after = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
            if before == after:
                break
    assert after < 4 * 1024**3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/admin/keys", b"{", 400, "invalid_request"),
        ("POST", "/admin/keys", b"[]", 400, "invalid_request"),
        ("POST", "/admin/keys", b'{"name": 7}', 400, "invalid_request"),
        ("POST", "/admin/keys", b'{"name": "a", "rol": "admin"}', 400, "invalid_request"),
        ("POST", "/admin/keys", b'{"name": "a", "role": "root"}', 400, "invalid_request"),
        ("POST", "/admin/keys", b'{"name": ""}', 400, "invalid_request"),
        ("POST", "/admin/pull", b'{"wanted": "x", "into": "/"}', 400, "invalid_request"),
        ("DELETE", "/admin/keys/key_none", None, 404, "not_found"),
        ("DELETE", "/admin/models/none", None, 404, "model_not_found"),
        ("GET", "/admin/models/..%2f..%2fetc", None, 404, None),
        ("GET", "/admin/models/No*Such", None, 400, "invalid_request"),
        ("GET", "/admin/receipts/req_none", None, 404, "not_found"),
        ("GET", "/admin/receipts?limit=all", None, 400, "invalid_request"),
        ("GET", "/admin/receipts?limit=99999999", None, 400, "invalid_request"),
        ("GET", "/admin/usage?by=colour", None, 400, "invalid_request"),
        ("GET", "/admin/usage?since=yesterday", None, 400, "invalid_request"),
        ("GET", "/admin/keys/key_1", None, 405, None),
    ],
)
async def test_what_is_wrong_is_told(
    door: Door, method: str, path: str, body: bytes | None, status: int, code: str | None
) -> None:
    answered, text = await raw(door, method, path, body)
    assert answered == status, text
    if code is not None:
        error = msgspec.json.decode(text)["error"]
        assert (error["code"], error["status"]) == (code, status)
        assert error["message"]


async def test_an_unforeseen_error_tells_a_number_and_nothing_else(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the inside of the house")

    monkeypatch.setattr("secondbasket.ledger.ledger.Ledger.usage", fail)
    status, body = await raw(door, "GET", "/admin/usage")
    error = msgspec.json.decode(body)["error"]
    assert status == 500
    assert "inside" not in body.decode()
    reference = error["message"].rstrip(".").rpartition(" ")[2]
    assert reference in caplog.text
    assert "the inside of the house" in caplog.text


async def test_stop_is_passed_on(door: Door) -> None:
    status, _ = await raw(door, "POST", "/admin/stop")
    assert (status, door.stops) == (200, 1)


async def test_a_server_that_ends_in_mid_answer_is_told(home: Path) -> None:
    Home(home).create()

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            line = b'{"progress":{"file":"f","received":1,"total":2,"stage":"downloading"}}\n'
            await stream.send(head + b"%x\r\n" % len(line) + line + b"\r\n0\r\n\r\n")

    listener = await anyio.create_unix_listener(Home(home).admin_socket)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        async with home_session(Home(home).admin_socket) as session:
            with pytest.raises(UpstreamBroken):
                await Connection(session).steps("pull", report=lambda progress: None)
        tasks.cancel_scope.cancel()


async def test_the_session_reaches_the_socket_whatever_the_url_says(door: Door) -> None:
    async with home_session(door.home.admin_socket) as session:
        async with session.get("http://192.0.2.1/admin/status") as response:
            assert msgspec.json.decode(await response.read(), type=Status).home == str(
                door.home.root
            )
        with pytest.raises(aiohttp.ClientError):
            async with home_session(door.home.root / "none.sock") as lost:
                await lost.get("/admin/status")
