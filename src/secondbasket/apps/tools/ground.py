"""What tools stand on: what of the house a family of tools may use, and its settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from secondbasket.apps.memory.memories import Memories
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Answer, Extract
from secondbasket.core.ports import Tool
from secondbasket.egress import Session


class DocumentSearch(Protocol):
    """Finds passages of the company's documents; None for `collections` stands for all."""

    async def search(
        self,
        question: str,
        *,
        collections: Sequence[str] | None = None,
        limit: int = 5,
        data_class: DataClass = DataClass.PUBLIC,
    ) -> Answer: ...

    async def read(
        self,
        document: str,
        *,
        collections: Sequence[str] | None = None,
        start: int = 0,
        count: int = 20,
    ) -> Extract: ...


@dataclass(frozen=True, kw_only=True)
class ToolGround:
    """`session` opens the outbound door for a purpose, at one origin where a base URL is given.

    `settings` are those of ``[tools.NAME]`` for the family, in plain values.
    `programs` is a folder for what a family keeps, and no worker writes.
    `environment` is what the process was started with: a family reads from it
    what its settings name, and nothing else. `search` finds documents, where
    there are any; `memories` is what the house remembers.
    """

    session: Callable[[str, str | None], Session]
    settings: Mapping[str, Any]
    programs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    search: DocumentSearch | None = None
    memories: Memories | None = None


@runtime_checkable
class Discovers(Protocol):
    """What a factory may return instead of plain tools: a sequence that can ask for its tools.

    It is asked once at start, before any worker runs; the sequence then holds
    what was found. Closed when the stack closes.
    """

    async def discover(self) -> Sequence[Tool]:
        """Ask, and return all tools found. What does not answer is left out, with a warning."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever was opened."""
        ...
