"""The task board as programs see it that delegate over MCP."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path

import anyio

from secondbasket.apps.tasks.board import Board
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.key import Key
from secondbasket.core.task import Order as Handover
from secondbasket.core.task import Task
from secondbasket.errors import NotFound, StoreError
from secondbasket.server.mcp.ports import (
    DeliverableCard,
    DeliverablePart,
    Order,
    TaskCard,
    WorkerCard,
)

_UNKNOWN_KIND = "application/octet-stream"
_LONGEST_DESCRIPTION = 500


class BoardDesk:
    """A TaskDesk over the board: whoever asks sees their own tasks."""

    def __init__(self, board: Board, roster: Roster) -> None:
        self._board = board
        self._roster = roster

    async def workers(self, key: Key) -> Sequence[WorkerCard]:
        listed = await anyio.to_thread.run_sync(self._roster.all)
        return [
            WorkerCard(
                name=each.name,
                role=each.worker.role,
                description=each.worker.goals[:_LONGEST_DESCRIPTION],
            )
            for each in listed
            if each.worker is not None
        ]

    async def delegate(self, key: Key, order: Order) -> TaskCard:
        handover = Handover(
            text=order.text,
            worker=order.worker,
            data_class=order.data_class or key.data_class,
            deadline=order.deadline or "",
            key=order.key or "",
        )
        return await self._card(key, await self._board.add(key, handover))

    async def task(self, key: Key, identity: str) -> TaskCard:
        return await self._card(key, (await self._board.show(key, identity)).task)

    async def deliverable(
        self, key: Key, identity: str, name: str, *, offset: int, limit: int
    ) -> DeliverablePart:
        path = await self._board.deliverable(key, identity, name)
        return await anyio.to_thread.run_sync(_part, name, path, offset, limit)

    async def _card(self, key: Key, task: Task) -> TaskCard:
        cards = []
        for name in task.deliverables:
            try:
                path = await self._board.deliverable(key, task.id, name)
                cards.append(await anyio.to_thread.run_sync(_described, name, path))
            except NotFound:
                continue  # it was taken away since
        return TaskCard(
            id=task.id,
            worker=task.worker,
            state=task.state,
            note=task.reason,
            created_at=task.created_at,
            finished_at=task.ended_at or None,
            deliverables=cards,
        )


def _described(name: str, path: Path) -> DeliverableCard:
    kind = mimetypes.guess_type(name)[0] or _UNKNOWN_KIND
    return DeliverableCard(name=name, media_type=kind, size=path.stat().st_size)


def _part(name: str, path: Path, offset: int, limit: int) -> DeliverablePart:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return DeliverablePart(card=_described(name, path), data=file.read(limit))
    except OSError as exc:
        raise StoreError(f"The file '{name}' cannot be read: {exc.strerror}.") from exc
