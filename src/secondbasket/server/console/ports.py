"""What the console is handed; the composition root supplies it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.report.morning import Reporter
from secondbasket.apps.tasks.board import Board
from secondbasket.apps.tasks.team import Team
from secondbasket.core.chip import Chip
from secondbasket.core.model import ModelRecord
from secondbasket.core.replica import ReplicaStatus
from secondbasket.core.standing import Standing
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.independence import Findings
from secondbasket.maas.keys import Keys
from secondbasket.maas.sessions import Sessions


class ModelView(msgspec.Struct, frozen=True):
    """A model of the registry and the replica that runs it, or why there is none.

    `others` are replicas that run it in further engines.
    """

    record: ModelRecord
    replica: ReplicaStatus | None = None
    unserved: str = ""
    others: Sequence[ReplicaStatus] = ()


@dataclass(frozen=True, kw_only=True)
class ConsolePorts:
    """`currency` is the one new keys have their budget in; `findings` reads a file at first.

    A body above `max_body_bytes` is refused; a chat answer whose reader takes
    nothing for `stall_seconds` is given up.
    """

    keys: Keys
    sessions: Sessions
    ledger: Ledger
    gateway: Gateway
    baskets: Baskets
    standings: Callable[[Basket], Sequence[Standing]]
    findings: Callable[[], Findings]
    drills: Drills
    board: Board
    team: Team
    reporter: Reporter
    memories: Memories
    models: Callable[[], Awaitable[Sequence[ModelView]]]
    chips: Callable[[], Awaitable[Sequence[Chip]]]
    currency: str
    max_body_bytes: int
    stall_seconds: float
