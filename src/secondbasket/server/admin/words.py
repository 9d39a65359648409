"""What goes over the admin socket, both ways, as JSON. The command line decodes with these too."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from secondbasket.apps.workers.worker_file import Finding
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import FileRead, Ingested
from secondbasket.core.drill import DrillMoment, DrillRow
from secondbasket.core.head import LedgerStatus, PushState
from secondbasket.core.key import Key, Role
from secondbasket.core.model import BrokenFile, ModelRecord, ModelTask
from secondbasket.core.ports import PullProgress
from secondbasket.core.replica import ReplicaStatus
from secondbasket.core.rules import BasketRules
from secondbasket.core.standing import Standing
from secondbasket.core.task import Approval, Effect, LoggedEntry, Order, Task
from secondbasket.core.tool import ToolEffect
from secondbasket.core.worker import Worker
from secondbasket.errors import BasketError
from secondbasket.maas.parity.results import ParityRun


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A BasketError on its way to the command line."""

    code: str
    status: int
    message: str
    hint: str = ""


def failure(error: BasketError) -> Failure:
    return Failure(code=error.code, status=error.status, message=error.message, hint=error.hint)


class Failed(msgspec.Struct, frozen=True):
    """The body of every response that is not 2xx."""

    error: Failure


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`budget` in nano-units of the configured currency, `expires_at` RFC 3339; `data_class` is
    the least its requests count as."""

    name: str
    role: Role = "user"
    budget: int | None = None
    expires_at: str | None = None
    data_class: str = DataClass.PUBLIC.label
    project: str | None = None


class ExplainOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to explain: `request` is the body of a chat call. `key` is a key's id; without one
    `project` can be told."""

    request: dict[str, Any]
    key: str | None = None
    project: str | None = None
    data_class: str = DataClass.PUBLIC.label


class KeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the secret, which cannot be shown again."""

    id: str
    key: str
    record: Key


class RotatePepper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`revoke_lost` ends the keys that were made under a pepper which is missing."""

    revoke_lost: bool = False


class PullOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wanted` is a name of the catalogue or a coordinate such as 'hf:…'."""

    wanted: str
    name: str | None = None
    task: ModelTask | None = None
    replace: bool = False


class Verified(msgspec.Struct, frozen=True):
    """The names of the models whose files were read again, and what was found wrong."""

    models: tuple[str, ...]
    broken: tuple[BrokenFile, ...]


class Removed(msgspec.Struct, frozen=True):
    """`freed` counts the bytes given back to the disk; shared files stay."""

    name: str
    freed: int


class RecallOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for; `worker` None looks at everybody's. `at` is RFC 3339, now without."""

    query: str
    worker: str | None = None
    at: str | None = None
    most_class: str = DataClass.CONFIDENTIAL.label
    limit: int = 8


class EraseOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`source` as KIND:ID."""

    source: str


class CasesAsked(msgspec.Struct, frozen=True):
    """How far a parity run is with one upstream."""

    upstream: str
    done: int
    total: int


class AddDocuments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`paths` are absolute, of files and folders on the server's machine; `data_class` is that of
    a new collection."""

    paths: tuple[str, ...]
    collection: str
    data_class: str | None = None


class SearchDocuments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `collections`, all are searched."""

    question: str
    collections: tuple[str, ...] | None = None
    limit: int = 5


class EraseDocuments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wanted` is a document's id or source, or a folder; without it, the collection goes."""

    collection: str
    wanted: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a long answer: progress, progress, …, then what came of it or why not.

    `drill` is the progress of a drill, `report` the signed document that it ends with.
    """

    progress: PullProgress | None = None
    model: ModelRecord | None = None
    verified: Verified | None = None
    drill: DrillMoment | None = None
    report: dict[str, Any] | None = None
    asked: CasesAsked | None = None
    parity: ParityRun | None = None
    read: FileRead | None = None
    ingested: Ingested | None = None
    error: Failure | None = None


class BasketStatus(msgspec.Struct, frozen=True):
    """A public model name; `ready` when something behind it can answer now; its last `drill`."""

    name: str
    task: ModelTask
    ready: bool
    rules: BasketRules
    upstreams: tuple[Standing, ...]
    drill: DrillRow | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The running process. `address` is empty while it serves no TCP port.

    `unserved` says why an installed model is not served, or as MODEL@ENGINE
    why an engine that should run it as well does not.
    """

    version: str
    home: str
    pid: int
    started_at: str
    uptime_seconds: float
    address: str
    state: Literal["ready", "not ready"]
    reason: str = ""
    baskets: tuple[BasketStatus, ...] = ()
    replicas: tuple[ReplicaStatus, ...] = ()
    unserved: Mapping[str, str] = {}
    ledger: LedgerStatus = LedgerStatus()


class SignedHead(msgspec.Struct, frozen=True):
    """The newest head as it was signed, and how it stands with the hosts that it is pushed to."""

    head: dict[str, Any]
    pushes: tuple[PushState, ...] = ()


class LedgerKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that has signed for this ledger. `entry` announces it, 0 until one does; `signed` says
    whether the key before it, `after`, did. `public_key` is PEM text."""

    key: str
    entry: int = 0
    at: str = ""
    after: str = ""
    signed: bool = False
    public_key: str


class LedgerKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys, oldest first; `current` is the id of the one in `file`, which signs now."""

    current: str
    file: str
    keys: tuple[LedgerKey, ...]


class Rotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`lost`: nobody has the old key any more, so it cannot announce the new one."""

    lost: bool = False


class LocalKey(msgspec.Struct, frozen=True):
    """The key of this machine's owner, which the home keeps for `basket up` and `basket chat`."""

    key: str


class Stopping(msgspec.Struct, frozen=True):
    """The process is on its way out; running answers get the drain time."""

    pid: int


class ToolRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that workers can do, as ToolFacts say it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: ToolEffect
    data_class: str
    from_outside: bool
    egress: bool
    confined: bool
    takes_key: bool
    limit_seconds: float


class TaskOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task to hand over, with the files it needs: their names there, and where they lie here."""

    order: Order
    files: Mapping[str, str] = {}


class TaskShown(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a task; `deliverables` are paths."""

    task: Task
    steps: Sequence[LoggedEntry]
    effects: Sequence[Effect]
    approvals: Sequence[Approval]
    deliverables: Sequence[str]


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether what came of a task was of use."""

    accepted: bool


class Rework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different."""

    text: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's yes or no to one call."""

    yes: bool
    note: str = ""


class Settlement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person found out about an uncertain effect: it happened, or it is to be made again."""

    state: Literal["done", "undone"]
    note: str = ""


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`off`: all workers are paused."""

    off: bool


class WorkerText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A worker's file, under its name without the ending."""

    name: str
    text: str


class WorkerChecked(msgspec.Struct, frozen=True, kw_only=True):
    """The worker, or what is wrong with its file."""

    worker: Worker | None = None
    findings: Sequence[Finding] = ()
