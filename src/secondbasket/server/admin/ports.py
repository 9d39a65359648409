"""What the admin door is handed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord, ModelTask
from secondbasket.core.ports import PullProgress
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.keys import Keys
from secondbasket.server.admin.words import Broken, Status

Report = Callable[[PullProgress], None]


class ModelDesk(Protocol):
    """The installed models and where new ones come from. Errors are those of `models/`."""

    async def list(self) -> Sequence[ModelRecord]: ...

    async def get(self, name: str) -> ModelRecord:
        """Raises ModelNotFound."""
        ...

    async def pull(
        self,
        wanted: str,
        *,
        name: str | None,
        task: ModelTask | None,
        replace: bool,
        report: Report,
    ) -> ModelRecord: ...

    async def verify(self, records: Sequence[ModelRecord], report: Report) -> Sequence[Broken]: ...

    async def remove(self, name: str) -> int:
        """Bytes freed. Raises ModelNotFound, and Conflict while the model is being served."""
        ...

    async def recommend(self) -> Sequence[msgspec.Struct]:
        """The catalogue's models judged for this machine, best first."""
        ...


@dataclass(frozen=True, kw_only=True)
class AdminPorts:
    """`stop` asks the process to end and returns at once; `local_key` makes the key it lacks."""

    keys: Keys
    local_key: Callable[[], Awaitable[str]]
    ledger: Ledger
    models: ModelDesk
    chips: Callable[[bool], Awaitable[Sequence[Chip]]]
    status: Callable[[], Status]
    stop: Callable[[], None]
