"""The plug-in points: what a layer must be handed, and by what shape.

Each port has a family folder with one file per implementation, a Python
entry-point group of the same name (``secondbasket.chip_probes`` …), and a
contract suite in ``secondbasket.testing`` that every implementation passes.
An entry point names a *factory*; the factory imports heavy libraries inside.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from secondbasket.core.chat import (
    ChatRequest,
    Chunk,
    CompletionRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
)
from secondbasket.core.chip import Chip
from secondbasket.core.data_class import DataClass
from secondbasket.core.model import ModelFormat, ModelRecord, ModelTask
from secondbasket.core.money import Price
from secondbasket.core.reading import Reading
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import BasketError


class ChipProbe(Protocol):
    """Finds the chips of one vendor. Entry-point group ``secondbasket.chip_probes``."""

    name: str

    def probe(self, *, measure: bool) -> list[Chip]:
        """The chips found, [] where there is none; never raises for absent hardware.

        `measure` also times the chip's read bandwidth, which takes up to a second.
        """
        ...


class PullProgress(msgspec.Struct, frozen=True):
    """`total` is None while the source has not said how much comes."""

    file: str
    received: int
    total: int | None
    stage: Literal["resolving", "downloading", "unpacking", "verifying", "done"]


Report = Callable[[PullProgress], None]
"""Is told how far something long has come."""


class FetchedFile(msgspec.Struct, frozen=True):
    """A file a source delivered: its name in the model, where it lies now."""

    name: str
    path: Path


class Fetched(msgspec.Struct, frozen=True):
    """What a source delivered; `provenance` goes into the registry as it is."""

    files: tuple[FetchedFile, ...]
    provenance: Mapping[str, str]
    licence: str = ""


class ModelSource(Protocol):
    """Brings weights into the house. Entry-point group ``secondbasket.model_sources``."""

    scheme: str

    async def fetch(
        self, coordinate: str, into: Path, report: Callable[[PullProgress], None]
    ) -> Fetched:
        """Bring the files of `coordinate` (without its scheme) into the folder `into`.

        What lies in `into` from a broken attempt is resumed where the source
        allows it. Raises SourceUnavailable (offline, unknown), NotEnoughDisk.
        """
        ...


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a model: context in tokens per slot, slots in parallel, threads, cache in MiB."""

    context_tokens: int
    slots: int
    threads: int
    cache_mib: int


class EngineChild(msgspec.Struct, frozen=True, kw_only=True):
    """How to start an engine as a child process.

    The child is `command`; it reads one JSON document (`configuration`, API
    key included, so that no secret shows in the process list) as one line from
    standard input, prints one line ``ready PORT`` to standard output once it
    answers on loopback, answers ``GET /health`` there, and ends when standard
    input closes. What it writes to standard error goes to its log. It inherits
    no environment but what every program needs, and `environment`.
    """

    command: tuple[str, ...]
    configuration: bytes
    environment: Mapping[str, str] = {}


class Engine(Protocol):
    """Knows how to run one family of models. Entry-point group ``secondbasket.engines``."""

    name: str
    formats: tuple[ModelFormat, ...]
    tasks: tuple[ModelTask, ...]

    def version(self) -> str:
        """The library and version that computes, e.g. 'xllamacpp 2026.10.11549'."""
        ...

    def child(
        self, model: ModelRecord, files: Mapping[str, Path], options: EngineOptions, api_key: str
    ) -> EngineChild:
        """The child process that serves `model` over the OpenAI wire. Nothing is started."""
        ...

    def unfit(
        self, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> BasketError | None:
        """What of the wire it does not serve, where `request` needs it; None where it serves all.

        Another engine may: so it is asked before anything is sent.
        """
        ...


class UpstreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an upstream without asking it; empty text where it is not known.

    `vendor` is who sells the answer, `operator` who runs the machines, `law`
    whose law controls them ('US'), `location` where they stand ('DE'),
    `weights_origin` who made the weights. `engine` names the library and its
    version, `engine_family` the plug-in ('llamacpp'). `host` is the name or
    address of an API, empty for our own engines. `prefill`: it goes on with a
    half-written answer as if it had written the first half itself.
    """

    name: str
    provider: str
    law: str
    model: str
    task: ModelTask
    vendor: str = ""
    operator: str = ""
    location: str = ""
    weights_origin: str = ""
    licence: str = ""
    engine_family: str = ""
    host: str = ""
    prefill: bool = False
    digest: str = ""
    engine: str = ""
    chip: str = ""
    context_tokens: int = 0
    modalities: tuple[str, ...] = ("text",)
    price: Price


class WireMeter:
    """Bytes of one call as its upstream's wire carries them; filled in while it runs."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0


class Upstream(Protocol):
    """Something that answers. Entry-point group ``secondbasket.upstreams``, whose factories
    take what ``maas/upstreams/openai.py`` takes.

    The generators raise UpstreamError (retryable) or an InvalidRequest or
    UpstreamRejected (final); closing them early cancels the call at the other
    end. A chunk's usage counts the call so far; the last chunk of a finished
    answer carries the usage of the whole.
    """

    @property
    def facts(self) -> UpstreamFacts: ...

    def ready(self) -> bool:
        """Whether asking it now can make sense; costs nothing."""
        ...

    def unfit(
        self, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> BasketError | None:
        """Why it cannot be asked this, whatever its state; None where it can. Costs nothing."""
        ...

    def chat(self, request: ChatRequest, meter: WireMeter) -> AsyncGenerator[Chunk, None]: ...

    def complete(
        self, request: CompletionRequest, meter: WireMeter
    ) -> AsyncGenerator[Chunk, None]: ...

    async def embed(self, request: EmbeddingRequest, meter: WireMeter) -> EmbeddingAnswer: ...

    async def count_input(self, request: ChatRequest | CompletionRequest) -> int | None:
        """Input tokens of a call that was left before the upstream told them; None: unknown."""
        ...

    async def probe(self) -> None:
        """Ask whether it would answer, at no cost. Raises UpstreamError where it would not."""
        ...


class Detector(Protocol):
    """Finds one kind of thing that makes a text sensitive. Entry-point group
    ``secondbasket.detectors``, whose names are the detectors' own.

    `name` is that kind ('iban'), `data_class` what a text that holds one is
    raised to unless the settings say otherwise.
    """

    name: str
    data_class: DataClass

    def count(self, reading: Reading) -> int:
        """How many there are, 0 for none; counting may stop at some number.

        Called on worker threads, several at a time, for every request: the time
        it takes may grow with the text's length and with nothing else. It keeps
        nothing of the text and tells nobody of it.
        """
        ...


class Tool(Protocol):
    """Something a worker can do. Entry-point group ``secondbasket.tools``, whose factories take
    a ``ToolGround`` (``apps/tools/ground.py``) and return the tools of their family.

    Arguments are checked against the schema before, the time and the size of
    the outcome are bounded around it, and what it may do is decided above it.
    """

    @property
    def facts(self) -> ToolFacts: ...

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Do it. Raises ToolFailed where it did not happen, OutcomeUnknown where it may have."""
        ...

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        """After a crash in the middle: what came of `call`. None where the tool cannot know."""
        ...
