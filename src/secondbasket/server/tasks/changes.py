"""What a caller does to a task of theirs, and how they answer what it asks."""

import msgspec

from secondbasket.core.key import Key
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.server.asgi import reply
from secondbasket.server.tasks.door import TaskRoute, task_of
from secondbasket.server.tasks.ports import TaskPorts
from secondbasket.server.wire_route import Exchange


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No fields."""


class Resumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the task may use beyond its worker's limits."""

    more: MoreLimits | None = None


class Reworking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different."""

    text: str


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether what came of it was of use."""

    accepted: bool = True


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why so, for whoever reads it later."""

    note: str = ""


class Pause(TaskRoute):
    """POST /v1/tasks/{task}/pause"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        await self.body(exchange, Nothing)
        task = await self.ports.board.pause(key, task_of(exchange))
        await reply(exchange.send, 200, msgspec.json.encode(task))


class Resume(TaskRoute):
    """POST /v1/tasks/{task}/resume"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        given = await self.body(exchange, Resumption)
        task = await self.ports.board.resume(key, task_of(exchange), more=given.more)
        await reply(exchange.send, 200, msgspec.json.encode(task))


class Cancel(TaskRoute):
    """POST /v1/tasks/{task}/cancel"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        await self.body(exchange, Nothing)
        task = await self.ports.board.cancel(key, task_of(exchange))
        await reply(exchange.send, 200, msgspec.json.encode(task))


class Accept(TaskRoute):
    """POST /v1/tasks/{task}/accept"""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        given = await self.body(exchange, Acceptance)
        task = await self.ports.board.accept(key, task_of(exchange), accepted=given.accepted)
        await reply(exchange.send, 200, msgspec.json.encode(task))


class Rework(TaskRoute):
    """POST /v1/tasks/{task}/rework: a new task."""

    async def answer(self, key: Key, exchange: Exchange) -> None:
        given = await self.body(exchange, Reworking)
        if not given.text.strip():
            raise InvalidRequest("Say what is to be different.", param="text")
        task = await self.ports.board.rework(key, task_of(exchange), given.text)
        await reply(exchange.send, 201, msgspec.json.encode(task))


class AnswerApproval(TaskRoute):
    """POST /v1/tasks/{task}/approvals/{approval}/approve and …/reject"""

    def __init__(self, ports: TaskPorts, *, yes: bool) -> None:
        super().__init__(ports)
        self._yes = yes

    async def answer(self, key: Key, exchange: Exchange) -> None:
        given = await self.body(exchange, Note)
        board, approval = self.ports.board, exchange.scope["path_params"]["approval"]
        shown = await board.show(key, task_of(exchange))
        if approval not in {each.id for each in shown.approvals}:
            raise NotFound(f"The task asks for no approval '{approval[:64]}'.")
        answered = await board.answer(key, approval, yes=self._yes, note=given.note)
        await reply(exchange.send, 200, msgspec.json.encode(answered))
