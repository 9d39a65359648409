"""A memory as it is kept, and what comes of telling, recalling and taking away."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from secondbasket.apps.memory.statement import Kind

State = Literal["present", "coming", "past", "contradicted", "corrected", "unfounded"]
"""How a memory stands at a moment.

'coming' holds later, 'past' ended as it was told to, 'contradicted' ended with
another object for the same, 'corrected' was never so, 'unfounded' was made of
memories that do not hold.
"""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """One memory. `sources` are all that its tellings rest on, `state` how it stands now.

    `valid_until` is when it ends or ended, None while nothing ends it.
    `superseded_by` is the memory that did, `corrected_by` the one that was put
    in its place. `uses` counts how often it was recalled.
    """

    id: str
    kind: Kind
    text: str
    subject: str
    predicate: str
    object: str
    several: bool
    worker: str
    data_class: str
    valid_from: str
    valid_until: str | None
    confidence: float
    uses: int
    last_used: str | None
    created_at: str
    superseded_by: str | None = None
    corrected_by: str | None = None
    sources: tuple[str, ...] = ()
    derived_from: tuple[str, ...] = ()
    state: State = "present"

    @property
    def from_outside(self) -> bool:
        """May somebody else have written it than a person of the house?"""
        return not all(source.startswith("person:") for source in self.sources)


class Recalled(msgspec.Struct, frozen=True):
    """A memory that answers, best first; `score` compares within one recall only.

    `found_by` are the searches that found it: 'words', 'meaning'.
    """

    memory: Memory
    score: float
    found_by: tuple[str, ...]


Outcome = Literal["kept", "merged", "superseded", "history", "refused", "contested", "erased"]
"""What telling something did.

'kept': new. 'merged': known already, and surer now. 'superseded': new, and what
it contradicts has ended. 'history': older than what is present, kept behind it.
'refused': not worth keeping, or too secret to. 'contested': a person said
otherwise. 'erased': this call kept it once, and it was taken away since.
"""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the memory, None where nothing was kept; `why` says the rule that decided."""

    outcome: Outcome
    id: str | None = None
    superseded: tuple[str, ...] = ()
    why: str = ""


Reason = Literal["erased", "forgotten", "corrected"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken away, and where: never what it said.

    `memories` counts those of the source or the order itself, `derived` those
    made of them, `kept` those that lost this source and rest on another.
    `places` counts what went in each place: our own tables, and what others
    that listen removed. `failed` says which of them could not, in their words;
    the order is then to be given again. `ids_sha256` is over the sorted ids of
    the memories removed, one a line.
    """

    id: str
    at: str
    reason: Reason
    target: str
    memories: int
    derived: int
    kept: int
    places: Mapping[str, int]
    failed: Mapping[str, str] = {}
    ids_sha256: str = ""

    @property
    def complete(self) -> bool:
        return not self.failed


class Corrected(msgspec.Struct, frozen=True):
    """The memory that is right, and what of the wrong one's went with it."""

    memory: Memory
    receipt: Receipt


class Hygiene(msgspec.Struct, frozen=True, kw_only=True):
    """How clean memory is. The first three shares are of what is present, the last of all.

    'junk' would not be kept by today's rules, 'duplicate' says what another
    says, 'never_used' was not recalled yet; 'contradicted' is history that was
    superseded or corrected. `compared` is how many were looked at, the newest.
    """

    memories: int
    present: int
    compared: int
    junk: float
    duplicate: float
    never_used: float
    contradicted: float
