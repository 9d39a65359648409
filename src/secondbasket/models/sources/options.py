"""What every model source's factory is handed by the composition root."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import httpx2
    from aiohttp import ClientSession


class Door(Protocol):
    """The outbound door, as far as sources need it. It owns the session and closes it."""

    def session(self, purpose: str) -> "ClientSession": ...

    def httpx_client(self) -> "httpx2.Client": ...


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`proxy` and `ca_file` are for pip's child, which opens its own connections;
    `environment` is what that child starts with (pip's own variables among it).
    Without `hub_token`, the log-in that huggingface_hub keeps is used.
    """

    door: Door
    proxy: str = ""
    ca_file: Path | None = None
    environment: Mapping[str, str] = {}
    hub_endpoint: str = "https://huggingface.co"
    hub_token: str | None = None
