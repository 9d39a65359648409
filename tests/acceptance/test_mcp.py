"""The running product and MCP: as a client of a real server, and as a server before the SDK."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.running import Running, running

SERVER = Path(__file__).parents[1] / "mcp_sdk_server.py"


def children(word: str) -> list[int]:
    """Processes that are run with `word` in their command."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_server_of_the_settings_offers_its_tools_and_ends_with_ours(stocked_home: Path) -> None:
    mark = f"--of={stocked_home.name}"
    (stocked_home / "basket.toml").write_text(
        f"[tools.mcp.servers.parcels]\ncommand = [{sys.executable!r}, {str(SERVER)!r}, {mark!r}]\n"
        '[tools.mcp.servers.parcels.tools.add]\neffect = "read"\n'
    )
    with running(stocked_home) as product:
        tools = {tool["name"]: tool for tool in product.basket("tool", "list")}
        assert tools["parcels.add"]["effect"] == "read"
        assert tools["parcels.send"]["effect"] == "external"
        assert children(mark)
        os.kill(product.process.pid, signal.SIGKILL)
        product.process.wait()
        deadline = time.monotonic() + 5
        while children(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert children(mark) == []


def test_another_program_delegates_and_no_other_key_sees_it(server: Running) -> None:
    other = server.basket("key", "create", "--name", "another")["key"]

    async def calls(key: str, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport) as client:
                return [await client.call_tool(name, arguments) for name, arguments in asked]

    (workers,) = anyio.run(calls, server.key, ("list_workers", {}))
    names = [worker["name"] for worker in workers.structured_content["workers"]]
    assert names
    order = {"worker": names[0], "text": "Say what 2+2 is.", "key": "once"}
    first, again, forged = anyio.run(
        calls,
        server.key,
        ("delegate_task", order),
        ("delegate_task", order),
        ("delegate_task", order | {"command": ["sh", "-c", "id"]}),
    )
    task = first.structured_content["id"]
    assert again.structured_content["id"] == task
    assert forged.is_error
    mine, none = anyio.run(
        calls, server.key, ("task_status", {"task": task}), ("task_status", {"task": "task_x"})
    )
    assert mine.structured_content["worker"] == names[0]
    assert none.is_error
    (theirs,) = anyio.run(calls, other, ("task_status", {"task": task}))
    assert theirs.is_error
    assert httpx2.post(f"{server.url}/mcp", json={}).status_code == 401
