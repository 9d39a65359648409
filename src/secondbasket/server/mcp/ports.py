"""What the MCP door is handed, and what it needs to know of the task board."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from secondbasket.core.key import Key


class WorkerCard(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as one who looks for somebody to ask needs to see it."""

    name: str
    role: str
    description: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is delegated. `key` is the caller's own: the same order twice under it is one task.

    `data_class` is the label of what the text holds; the board raises it to
    what caller and worker are under. `deadline` is RFC 3339.
    """

    worker: str
    text: str
    data_class: str | None = None
    deadline: str | None = None
    key: str | None = None


class DeliverableCard(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a task delivered: `name` within the task, `size` in bytes."""

    name: str
    media_type: str
    size: int


class TaskCard(msgspec.Struct, frozen=True, kw_only=True):
    """A task: `state` as in `basket task show`, `note` what it waits for or why it failed."""

    id: str
    worker: str
    state: str
    note: str = ""
    created_at: str
    finished_at: str | None = None
    deliverables: Sequence[DeliverableCard] = ()


class DeliverablePart(msgspec.Struct, frozen=True, kw_only=True):
    """`data` from some offset on, and of what file."""

    card: DeliverableCard
    data: bytes


class TaskDesk(Protocol):
    """The task board as a key sees it. What is another key's is NotFound, as if it were not there.

    Raises InvalidRequest, PermissionDenied, PolicyRefused, NotFound and other
    BasketErrors, whose words the caller is told.
    """

    async def workers(self, key: Key) -> Sequence[WorkerCard]:
        """Those that `key` may delegate to."""
        ...

    async def delegate(self, key: Key, order: Order) -> TaskCard:
        """Put a task on the board; nothing of it has been done on return."""
        ...

    async def task(self, key: Key, identity: str) -> TaskCard: ...

    async def deliverable(
        self, key: Key, identity: str, name: str, *, offset: int, limit: int
    ) -> DeliverablePart:
        """At most `limit` bytes from `offset`; `name` is one of the task's deliverables."""
        ...


@dataclass(frozen=True, kw_only=True)
class McpPorts:
    """`verify` raises AuthenticationFailed; `refused` is told the code of every error sent."""

    verify: Callable[[str], Key]
    refused: Callable[[str], None]
    desk: TaskDesk
    max_body_bytes: int
