"""What the admin door is handed."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from secondbasket.apps.documents.desk import DocumentDesk
from secondbasket.apps.memory.memories import Memories
from secondbasket.apps.report.morning import Reporter
from secondbasket.apps.tasks.board import Board
from secondbasket.apps.workers.roster import Roster
from secondbasket.core.chip import Chip
from secondbasket.core.head import PushState
from secondbasket.core.key import Key
from secondbasket.core.reloaded import Reloaded
from secondbasket.core.tool import ToolFacts
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.explainer import Explainer
from secondbasket.maas.independence import Findings
from secondbasket.maas.keys import Keys
from secondbasket.maas.model_desk import ModelDesk
from secondbasket.maas.parity.desk import ParityDesk
from secondbasket.maas.pepper_care import PepperCare
from secondbasket.models.data.desk import DataDesk
from secondbasket.server.admin.words import Status


@dataclass(frozen=True, kw_only=True)
class AdminPorts:
    """`stop` asks the process to end and returns at once; `local_key` makes the key it lacks,
    and `owner` is that key: whoever reaches this door owns the machine;
    `tell_egress` has the ledger know what left until now."""

    keys: Keys
    pepper_care: PepperCare
    local_key: Callable[[], Awaitable[str]]
    owner: Callable[[], Awaitable[Key]]
    ledger: Ledger
    tell_egress: Callable[[], None]
    notary: Notary
    push_heads: Callable[[], Awaitable[tuple[PushState, ...]]]
    drills: Drills
    models: ModelDesk
    chips: Callable[[bool], Awaitable[Sequence[Chip]]]
    status: Callable[[], Status]
    stop: Callable[[], None]
    parity: ParityDesk
    findings: Callable[[str | None], Findings]
    explainer: Explainer
    projects: Callable[[], Collection[str]]
    tools: Callable[[], Sequence[ToolFacts]]
    reload: Callable[[], Reloaded]
    documents: DocumentDesk
    data: DataDesk
    board: Board
    reporter: Reporter
    roster: Roster
    memories: Memories
