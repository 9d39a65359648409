"""A task board in memory, with what a real one keeps to: a key sees its own tasks only."""

from collections.abc import Sequence

from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.errors import NotFound, PolicyRefused
from secondbasket.server.mcp.ports import (
    DeliverableCard,
    DeliverablePart,
    Order,
    TaskCard,
    WorkerCard,
)


class TaskDeskInMemory:
    """`deliver` finishes a task with files; `broken` makes every call fail."""

    def __init__(self) -> None:
        self.cards = [WorkerCard(name="clerk", role="document clerk", description="Reads.")]
        self.orders: list[Order] = []
        self.broken = False
        self._tasks: dict[str, tuple[str, TaskCard]] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._files: dict[tuple[str, str], bytes] = {}

    def deliver(self, identity: str, files: dict[str, tuple[str, bytes]]) -> None:
        owner, card = self._tasks[identity]
        cards = [
            DeliverableCard(name=name, media_type=kind, size=len(data))
            for name, (kind, data) in files.items()
        ]
        done = TaskCard(
            id=card.id,
            worker=card.worker,
            state="done",
            created_at=card.created_at,
            finished_at="2026-11-25T05:00:00Z",
            deliverables=cards,
        )
        self._tasks[identity] = (owner, done)
        self._files.update({(identity, name): data for name, (_, data) in files.items()})

    async def workers(self, key: Key) -> Sequence[WorkerCard]:
        if self.broken:
            raise RuntimeError("a secret of the inside")
        return self.cards

    async def delegate(self, key: Key, order: Order) -> TaskCard:
        if order.worker not in [card.name for card in self.cards]:
            raise NotFound(f"There is no worker '{order.worker}'.", hint="Ask list_workers.")
        if order.data_class == "secret":
            raise PolicyRefused("chat", "secret", {"local/a": "no"})
        known = self._keys.get((key.id, order.key)) if order.key else None
        if known is not None:
            return self._tasks[known][1]
        self.orders.append(order)
        card = TaskCard(
            id=new_id("task"),
            worker=order.worker,
            state="queued",
            created_at="2026-11-25T01:00:00Z",
        )
        self._tasks[card.id] = (key.id, card)
        if order.key:
            self._keys[key.id, order.key] = card.id
        return card

    async def task(self, key: Key, identity: str) -> TaskCard:
        owner, card = self._tasks.get(identity, ("", None))
        if card is None or owner != key.id:
            raise NotFound(f"There is no task '{identity}'.")
        return card

    async def deliverable(
        self, key: Key, identity: str, name: str, *, offset: int, limit: int
    ) -> DeliverablePart:
        card = await self.task(key, identity)
        found = [each for each in card.deliverables if each.name == name]
        if not found:
            raise NotFound(f"The task has delivered no '{name}'.")
        data = self._files[identity, name][offset : offset + limit]
        return DeliverablePart(card=found[0], data=data)
