"""What every model source's factory is handed by the composition root."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from secondbasket.egress.door import Door

PUBLIC_HUB = "https://huggingface.co"


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a source may need; each takes what it knows.

    `proxy` and `ca_file` are for pip's child, which opens its own connections,
    and `environment` is what that child starts with (pip's own variables among
    it). Without `hub_token` the hub is asked as nobody.
    """

    door: Door
    proxy: str = ""
    ca_file: Path | None = None
    environment: Mapping[str, str] = {}
    hub_endpoint: str = PUBLIC_HUB
    hub_token: str | None = None
