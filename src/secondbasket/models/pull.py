"""From a name or a coordinate to an installed model: fetch, check, read, store, register."""

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import msgspec

from secondbasket.core.clock import now
from secondbasket.core.model import ModelFile, ModelFormat, ModelRecord, ModelShape, ModelTask
from secondbasket.core.ports import Fetched, ModelSource, PullProgress, Report
from secondbasket.errors import BadModelFile, Conflict, DigestMismatch, ModelNotFound
from secondbasket.models.catalogue import CatalogueEntry
from secondbasket.models.headers import detect_format, read_header
from secondbasket.models.progress import from_worker, silent
from secondbasket.models.registry import Registry, check_name, name_from
from secondbasket.models.store import Store, sha256_of

# Beside its weights a model is made of plain text; everything else could run code.
_PLAIN = {".json", ".jinja", ".txt"}
_LARGEST_CONFIGURATION = 16 * 1024 * 1024


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be pulled. `name` is None where the weights file will give it."""

    name: str | None
    sources: tuple[str, ...]
    files: Mapping[str, str] = {}
    task: ModelTask | None = None
    licence: str = ""

    @property
    def source(self) -> str:
        return " ".join(self.sources)


class Puller:
    """Installs models. Pulls of one source wait for each other; others run side by side."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        catalogue: Mapping[str, CatalogueEntry],
        sources: Mapping[str, ModelSource],
    ) -> None:
        self._store = store
        self._registry = registry
        self._catalogue = catalogue
        self._sources = sources
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def pull(
        self,
        wanted: str,
        *,
        name: str | None = None,
        task: ModelTask | None = None,
        replace: bool = False,
        report: Report = silent,
    ) -> ModelRecord:
        """Install `wanted`, a catalogue name or a coordinate, under `name` or its own.

        A model that is installed already is read again and returned; broken
        files are brought anew. With `replace`, everything is fetched, and
        whatever `name` stood for before is replaced. Raises ModelNotFound,
        Conflict, SourceUnavailable, NotEnoughDisk, DigestMismatch,
        BadModelFile, InvalidRequest, EgressRefused.
        """
        order = self._order(wanted, name, task)
        async with AsyncExitStack() as held:
            # In one order, so that two pulls that share sources cannot wait for each other.
            for source in sorted(order.sources):
                await held.enter_async_context(self._locks[source])
            if not replace:
                installed = await anyio.to_thread.run_sync(
                    self._installed, order, from_worker(report)
                )
                if installed is not None:
                    return installed
            try:
                fetched = [await self._fetch(source, report) for source in order.sources]
                record = await anyio.to_thread.run_sync(
                    self._install, order, fetched, replace, from_worker(report)
                )
            except (BadModelFile, DigestMismatch):
                # Resuming what is wrong would only end here again.
                await anyio.to_thread.run_sync(self._discard, order)
                raise
            await anyio.to_thread.run_sync(self._discard, order)
        report(PullProgress(record.name, record.size, record.size, "done"))
        return record

    def _order(self, wanted: str, name: str | None, task: ModelTask | None) -> _Order:
        if name is not None:
            check_name(name)
        entry = self._catalogue.get(wanted)
        if entry is not None:
            return _Order(
                name=name or entry.name,
                sources=entry.sources,
                files=entry.files,
                task=task or entry.task,
                licence=entry.licence,
            )
        scheme, separator, _ = wanted.partition(":")
        if separator and scheme in self._sources:
            return _Order(name=name, sources=(wanted,), task=task)
        near = difflib.get_close_matches(wanted, self._catalogue, n=1)
        schemes = ", ".join(f"{known}:" for known in sorted(self._sources))
        raise ModelNotFound(
            f"'{wanted}' is neither in the catalogue nor a coordinate.",
            hint=(f"Did you mean '{near[0]}'? " if near else "")
            + f"'basket model recommend' lists what fits; coordinates start with {schemes}.",
            param="model",
        )

    def _installed(self, order: _Order, report: Report) -> ModelRecord | None:
        """The sound model that this order asks for; None where there is something to fetch."""
        if order.name is not None:
            record = self._registry.find(order.name)
            if record is not None and record.source != order.source:
                raise Conflict(
                    f"'{order.name}' already names the model from {record.source}.",
                    hint="Pull under another name with --name, or replace it with --replace.",
                    param="name",
                )
        else:
            known = (each for each in self._registry.list() if each.source == order.source)
            record = next(known, None)
        if record is None:
            return None
        for file in record.files:
            try:
                self._store.verify(file, _verifying(file, report))
            except DigestMismatch:
                return None
        return record

    async def _fetch(self, source: str, report: Report) -> Fetched:
        scheme, _, coordinate = source.partition(":")
        into = await anyio.to_thread.run_sync(self._store.partial, source)
        return await self._sources[scheme].fetch(coordinate, into, report)

    def _discard(self, order: _Order) -> None:
        for source in order.sources:
            self._store.discard_partial(source)

    def _install(
        self, order: _Order, fetched: Sequence[Fetched], replace: bool, report: Report
    ) -> ModelRecord:
        arrived = {file.name: file.path for each in fetched for file in each.files}
        for name, path in arrived.items():
            report(PullProgress(name, 0, path.stat().st_size, "verifying"))
        sums = {name: sha256_of(path) for name, path in sorted(arrived.items())}
        _check_promised(order.files, sums)
        weights, file_format = _weights_among(arrived)
        shape = read_header(arrived[weights], file_format)
        stored = tuple(self._store.put(arrived[name], name, sums[name]) for name in sums)
        provenance: dict[str, object] = {"sources": [dict(each.provenance) for each in fetched]}
        if shape.chat_template is not None:
            template = shape.chat_template.encode()
            provenance["chat_template_sha256"] = hashlib.sha256(template).hexdigest()
        record = ModelRecord(
            name=order.name or name_from(weights),
            task=order.task or _task_of(shape, file_format),
            format=file_format,
            digest=f"sha256:{sums[weights]}",
            files=stored,
            licence=order.licence or fetched[0].licence or "unknown",
            source=order.source,
            shape=shape,
            added_at=now(),
            provenance=provenance,
        )
        return self._registry.add(record, replace=replace)


def _verifying(file: ModelFile, report: Report) -> Callable[[int], None]:
    """What is told of how much of `file` was read again."""
    return lambda received: report(PullProgress(file.name, received, file.size, "verifying"))


def _check_promised(promised: Mapping[str, str], sums: Mapping[str, str]) -> None:
    if not promised:
        return
    if promised.keys() != sums.keys():
        raise DigestMismatch(
            f"The catalogue promises {sorted(promised)}, and {sorted(sums)} arrived."
        )
    for name, found in sums.items():
        if found != promised[name]:
            raise DigestMismatch(
                f"{name} has sha256 {found}, not {promised[name]} as the catalogue says.",
                hint="The source delivers another file now. Do not use it before you know why.",
            )


def _weights_among(arrived: Mapping[str, Path]) -> tuple[str, ModelFormat]:
    """Name and format of the one weights file. Everything beside it must be plain text."""
    weights = {}
    for name, path in arrived.items():
        if path.suffix not in _PLAIN:
            weights[name] = detect_format(path)
        elif name.endswith("config.json"):
            _refuse_code(name, path)
    if len(weights) != 1:
        raise BadModelFile(
            f"A model has one file of weights; here are {len(weights)} among {sorted(arrived)}.",
            hint="Give the one file, or a folder with one file of weights and its JSON files.",
        )
    return next(iter(weights.items()))


def _refuse_code(name: str, path: Path) -> None:
    """`auto_map` makes some libraries load Python that came with the weights."""
    if path.stat().st_size > _LARGEST_CONFIGURATION:
        raise BadModelFile(f"{name} is larger than any model's configuration.")
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as exc:
        raise BadModelFile(f"{name} is not a JSON object: {exc}") from exc
    if "auto_map" in content:
        raise BadModelFile(
            f"{name} asks for code of its own to be run ('auto_map').",
            hint="Models that bring code are refused; look for a GGUF of the same model.",
        )


def _task_of(shape: ModelShape, file_format: ModelFormat) -> ModelTask:
    """A guess where nobody said it: ONNX files and BERTs embed, everything else chats."""
    return "embedding" if file_format == "onnx" or "bert" in shape.architecture else "chat"
