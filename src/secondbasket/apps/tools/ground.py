"""What tools stand on: what of the house a family of tools may use, and its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secondbasket.egress import Session


@dataclass(frozen=True, kw_only=True)
class ToolGround:
    """`session` opens the outbound door for a purpose, at one origin where a base URL is given.

    `settings` are those of ``[tools.NAME]`` for the family, in plain values.
    `programs` is a folder for what a family keeps, and no worker writes.
    """

    session: Callable[[str, str | None], Session]
    settings: Mapping[str, Any]
    programs: Path
