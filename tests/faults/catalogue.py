"""The faults an upstream can have, as data: what each does, when, and what a client may see of it.

`sees` is what a correct gateway with a healthy second upstream lets its client see where nothing
was handed on before the fault; `midway` says that a stream had handed on text by then.
"""

from typing import Literal

import msgspec

from tests.faults import acts
from tests.faults.acts import Act
from tests.faults.wire import Form, Kind

Mode = Literal["plain", "stream"]
Sees = Literal["complete", "complete or error", "as sent", "final error", "as declined"]
BOTH: tuple[Mode, ...] = ("plain", "stream")
_ALL: tuple[Kind, ...] = ("chat", "completion", "embeddings")
_WRITTEN: tuple[Kind, ...] = ("chat", "completion")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`first` calls have it, None: all. `listens` is false where nobody answers the port at all.

    `whole`: its own answer is whole all the same, and nobody else need be asked. `silent`: what
    ends it is a time-out.
    """

    name: str
    does: str
    act: Act
    modes: tuple[Mode, ...] = BOTH
    kinds: tuple[Kind, ...] = _ALL
    form: Form = "text"
    first: int | None = None
    listens: bool = True
    midway: bool = False
    whole: bool = False
    silent: bool = False
    sees: Sees = "complete"


CATALOGUE: tuple[Fault, ...] = (
    Fault(name="refuse", does="nobody listens on its port", act=acts.refuse, listens=False),
    Fault(name="reset", does="reads the call and resets the connection", act=acts.reset),
    Fault(
        name="reset midway",
        does="resets the connection after 20 of 60 words",
        act=acts.reset_midway,
        midway=True,
    ),
    Fault(
        name="hang before headers",
        does="takes the call and never says a word",
        act=acts.hang,
        silent=True,
    ),
    Fault(
        name="hang before first token",
        does="sends headers (and the frame that says who speaks) and no word",
        act=acts.hang_before_first_token,
        silent=True,
    ),
    Fault(
        name="stall",
        does="falls silent after 20 of 60 words, connection open",
        act=acts.stall,
        silent=True,
        midway=True,
    ),
    Fault(
        name="cut",
        does="closes the connection after 40 of 60 words, in the middle of the body",
        act=acts.cut,
        midway=True,
    ),
    Fault(
        name="cut, counted",
        does="as cut, with the token counts so far in every frame",
        act=acts.cut_counting,
        midway=True,
        modes=("stream",),
        kinds=_WRITTEN,
    ),
    Fault(
        name="bad JSON",
        does="sends half of a frame's JSON (half of a plain body's) and goes on",
        act=acts.bad_json,
        midway=True,
    ),
    Fault(
        name="bad chunking",
        does="breaks the chunked transfer encoding after 20 words",
        act=acts.bad_chunking,
        silent=True,  # to client libraries that read a broken chunk as one that is not over
        midway=True,
    ),
    Fault(
        name="duplicate chunk",
        does="sends one of its frames twice",
        act=acts.duplicate_chunk,
        modes=("stream",),
        kinds=_WRITTEN,
        whole=True,
        sees="as sent",
    ),
    Fault(
        name="no [DONE], unfinished",
        does="ends its stream cleanly after 40 words, with no finish reason and no end mark",
        act=acts.end_unfinished,
        modes=("stream",),
        kinds=_WRITTEN,
        midway=True,
    ),
    Fault(
        name="no [DONE], finished",
        does="sends the finish reason and the counts, and no end mark",
        act=acts.end_without_done,
        modes=("stream",),
        kinds=_WRITTEN,
        whole=True,
    ),
    Fault(
        name="error as 200",
        does="answers HTTP 200 with an error in a JSON body",
        act=acts.error_as_success,
    ),
    Fault(
        name="error event first",
        does="begins a stream and sends an error in place of the first word",
        act=acts.error_event_first,
        modes=("stream",),
        kinds=_WRITTEN,
    ),
    Fault(
        name="error event midway",
        does="sends an error in its stream after 20 words, and ends it cleanly",
        act=acts.error_event_midway,
        modes=("stream",),
        kinds=_WRITTEN,
        midway=True,
    ),
    Fault(name="429", does="answers 429 without Retry-After", act=acts.status(429)),
    Fault(
        name="429, Retry-After",
        does="answers 429 with Retry-After: 5",
        act=acts.status(429, Retry_After="5"),
    ),
    Fault(name="500", does="answers 500", act=acts.status(500)),
    Fault(
        name="500, then well",
        does="answers 500 to its first two calls and is well from then on",
        act=acts.status(500),
        first=2,
    ),
    Fault(
        name="slow drip",
        does="after 20 words sends a byte every 50 ms of a frame that never ends",
        act=acts.slow_drip,
        silent=True,
        midway=True,
    ),
    Fault(
        name="split frames",
        does="sends everything, cut between any two bytes",
        act=acts.split_events,
        whole=True,
    ),
    Fault(
        name="usage absurd",
        does="says that it read and wrote 10^12 tokens",
        act=acts.counting(lambda read, written: (10**12, 10**12)),
        sees="complete or error",
    ),
    Fault(
        name="usage negative",
        does="says that it read and wrote fewer than no tokens",
        act=acts.counting(lambda read, written: (-read, -written)),
        sees="complete or error",
    ),
    Fault(
        name="usage missing",
        does="counts nothing",
        act=acts.counting(lambda read, written: None),
        whole=True,
    ),
    Fault(
        name="too few vectors",
        does="sends one vector fewer than it was asked for",
        act=acts.too_few_vectors,
        modes=("plain",),
        kinds=("embeddings",),
    ),
    Fault(
        name="cut in a tool call",
        does="closes the connection in the middle of a tool call's arguments",
        act=acts.cut,
        kinds=("chat",),
        form="tool",
        midway=True,
    ),
    Fault(
        name="cut in JSON",
        does="closes the connection in the middle of an answer held to a JSON schema",
        act=acts.cut,
        kinds=("chat",),
        form="json",
        midway=True,
    ),
    Fault(
        name="rejects",
        does="answers 400: the call itself is at fault",
        act=acts.status(400),
        sees="final error",
    ),
    Fault(
        name="declines",
        does="answers that its model will not say this (content filter, refusal)",
        act=acts.declined,
        kinds=("chat",),
        whole=True,
        sees="as declined",
    ),
)

BY_NAME = {fault.name: fault for fault in CATALOGUE}
