"""The installed models as operators handle them: pulled, checked, served and removed."""

from collections.abc import Callable, Mapping, Sequence

import anyio

from secondbasket.cloud.placement import usual_options
from secondbasket.core.chip import Chip
from secondbasket.core.model import BrokenFile, ModelRecord, ModelTask
from secondbasket.core.ports import Report
from secondbasket.maas.local_models import LocalModels
from secondbasket.models.catalogue import CatalogueEntry
from secondbasket.models.pull import Puller
from secondbasket.models.recommend import Recommendation, recommend
from secondbasket.models.registry import Registry
from secondbasket.models.store import Store
from secondbasket.models.verify import verify_models


class ModelDesk:
    """`chips` measures this machine's; `serves`: what was pulled is served at once, if it fits."""

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        puller: Puller,
        catalogue: Mapping[str, CatalogueEntry],
        local_models: LocalModels,
        chips: Callable[[], Sequence[Chip]],
        serves: bool,
        drain_seconds: float,
    ) -> None:
        self._registry = registry
        self._store = store
        self._puller = puller
        self._catalogue = catalogue
        self._local_models = local_models
        self._chips = chips
        self._serves = serves
        self._drain_seconds = drain_seconds

    async def list(self) -> Sequence[ModelRecord]:
        return await anyio.to_thread.run_sync(self._registry.list)

    async def get(self, name: str) -> ModelRecord:
        """Raises ModelNotFound."""
        return await anyio.to_thread.run_sync(self._registry.get, name)

    async def pull(
        self,
        wanted: str,
        *,
        name: str | None,
        task: ModelTask | None,
        replace: bool,
        report: Report,
    ) -> ModelRecord:
        """As `Puller.pull`; a model that was replaced is loaded anew."""
        record = await self._puller.pull(
            wanted, name=name, task=task, replace=replace, report=report
        )
        if self._serves:
            if replace:
                await self._local_models.withdraw(record.name, self._drain_seconds)
            await self._local_models.serve_installed([record.name])
        return record

    async def verify(self, records: Sequence[ModelRecord], report: Report) -> Sequence[BrokenFile]:
        return await verify_models(self._store, records, report)

    async def remove(self, name: str) -> int:
        """Stop serving a model and forget it; the bytes freed. Raises ModelNotFound."""
        await self.get(name)
        await self._local_models.withdraw(name, self._drain_seconds)

        def forget() -> int:
            return sum(map(self._store.delete, self._registry.remove(name)))

        return await anyio.to_thread.run_sync(forget)

    async def recommend(self) -> Sequence[Recommendation]:
        """The catalogue's models judged for this machine, measured just now, best first."""
        found = await anyio.to_thread.run_sync(self._chips)
        # The engines that come with the product compute on the CPU.
        chips = [chip for chip in found if chip.kind == "cpu"]
        return recommend(self._catalogue.values(), chips, usual_options(chips[0]))
