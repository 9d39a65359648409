"""A real HTTP server on loopback that speaks the Hugging Face hub's protocol, with its faults.

Two listeners, as in life: the hub answers metadata and redirects, a delivery
network on another origin has the bytes. Written from the hub's documented API
and from what huggingface_hub sends and expects.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "acme/tiny"
TOKEN = "hf_secret"


@dataclass
class Requested:
    """What one request for bytes brought along, as the delivery network saw it."""

    range: str
    headers: dict[str, str]


@dataclass
class HubServer:
    """`files` are served whole through the delivery network unless a fault is set."""

    files: dict[str, bytes]
    card: dict[str, Any] = field(default_factory=lambda: {"license": "apache-2.0"})
    small: frozenset[str] = frozenset()
    gated: bool = False
    cut_at: int | None = None
    """Break the connection once this many bytes of a response were sent; holds for one request."""
    busy: int = 0
    """So many requests for bytes are answered 503."""
    ignore_range: bool = False
    delivered: dict[str, bytes] = field(default_factory=dict)
    """Other bytes than promised."""
    hold_at: int | None = None
    """Stop sending after so many bytes, say so with `held`, and wait for `let_go`."""
    held: anyio.Event = field(default_factory=anyio.Event)
    let_go: anyio.Event = field(default_factory=anyio.Event)
    requests: list[Requested] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    endpoint: str = ""
    network: str = ""

    def _sibling(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name not in self.small:
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 134}
        return entry

    async def info(self, request: web.Request) -> web.Response:
        self.asked["info"] += 1
        repository = f"{request.match_info['owner']}/{request.match_info['name']}"
        if repository != REPOSITORY:
            return _error(404, "RepoNotFound")
        if self.gated and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(403, "GatedRepo")
        if request.match_info["revision"] not in ("main", COMMIT):
            return _error(404, "RevisionNotFound")
        assert request.query["blobs"].lower() == "true"
        return web.json_response(
            {
                "id": REPOSITORY,
                "sha": COMMIT,
                "cardData": self.card,
                "gated": "auto" if self.gated else False,
                "siblings": [self._sibling(name) for name in self.files],
            }
        )

    async def resolve(self, request: web.Request) -> web.Response:
        assert request.match_info["revision"] == COMMIT, "bytes are asked of a commit, not a branch"
        name = request.match_info["path"]
        return web.Response(
            status=302,
            headers={
                "Location": f"{self.network}/blobs/{name}?signature=abc",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Size": str(len(self.files[name])),
                "X-Linked-ETag": f'"{hashlib.sha256(self.files[name]).hexdigest()}"',
                "X-Xet-Hash": "f" * 64,
            },
        )

    async def blob(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.requests.append(Requested(asked, dict(request.headers)))
        if self.busy:
            self.busy -= 1
            return web.Response(status=503)
        name = request.match_info["path"]
        content = self.delivered.get(name, self.files[name])
        first = 0 if self.ignore_range or not asked else int(asked[len("bytes=") : -1])
        response = web.StreamResponse(status=206 if first else 200)
        response.content_length = len(content) - first
        if first:
            response.headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        if self.cut_at is not None:
            end, self.cut_at = first + self.cut_at, None
            await response.write(content[first:end])
            assert request.transport is not None
            request.transport.close()
        elif self.hold_at is not None:
            await response.write(content[first : first + self.hold_at])
            self.held.set()
            await self.let_go.wait()
            await response.write(content[first + self.hold_at :])
        else:
            await response.write(content[first:])
        return response


def _error(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"X-Error-Code": code}, text=code)


@asynccontextmanager
async def serving(hub: HubServer) -> AsyncIterator[HubServer]:
    api, network = web.Application(), web.Application()
    api.router.add_get("/api/models/{owner}/{name}/revision/{revision}", hub.info)
    api.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", hub.resolve)
    network.router.add_get("/blobs/{path:.+}", hub.blob)
    runners = [web.AppRunner(app, shutdown_timeout=0) for app in (api, network)]
    try:
        places = []
        for runner in runners:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            places.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        hub.endpoint, hub.network = places
        yield hub
    finally:
        hub.let_go.set()
        for runner in runners:
            await runner.cleanup()
