"""Reading every installed byte again, to say which file is no longer what it was."""

from collections.abc import Iterable

import anyio

from secondbasket.core.model import BrokenFile, ModelFile, ModelRecord
from secondbasket.core.ports import PullProgress, Report
from secondbasket.errors import DigestMismatch
from secondbasket.models.progress import from_worker, silent
from secondbasket.models.store import Store


async def verify_models(
    store: Store, records: Iterable[ModelRecord], report: Report = silent
) -> tuple[BrokenFile, ...]:
    """Every file of `records` whose content is missing or changed; () when all is well."""
    broken = []
    for record in records:
        for file in record.files:
            problem = await anyio.to_thread.run_sync(_problem, store, file, from_worker(report))
            if problem:
                broken.append(BrokenFile(record.name, file, problem))
    return tuple(broken)


def _problem(store: Store, file: ModelFile, report: Report) -> str:
    try:
        store.verify(
            file,
            lambda received: report(PullProgress(file.name, received, file.size, "verifying")),
        )
    except DigestMismatch as exc:
        return exc.message
    return ""
