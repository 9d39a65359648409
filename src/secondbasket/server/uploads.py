"""Files that came with a form, on their way to the task board."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from starlette.datastructures import UploadFile

from secondbasket.errors import InvalidRequest, StoreError


@asynccontextmanager
async def laid_out(uploads: Sequence[UploadFile]) -> AsyncGenerator[Mapping[str, Path], None]:
    """Copies of `uploads` by the names they came with, in a folder that goes away again.

    There they lie under numbers: what a file may be called, the board judges. A field that was
    left empty is no file. Raises InvalidRequest where two have one name, and StoreError.
    """
    with tempfile.TemporaryDirectory(prefix="basket-upload-") as folder:
        yield await anyio.to_thread.run_sync(_copied, uploads, Path(folder))


def _copied(uploads: Sequence[UploadFile], folder: Path) -> dict[str, Path]:
    copies: dict[str, Path] = {}
    for upload in uploads:
        name = upload.filename
        if not name:
            continue
        if name in copies:
            raise InvalidRequest(f"Two of the files are called {name[:100]!r}.", param="files")
        copies[name] = folder / str(len(copies))
        try:
            with copies[name].open("wb") as copy:
                shutil.copyfileobj(upload.file, copy)
        except OSError as exc:
            raise StoreError(f"The files sent cannot be kept: {exc.strerror}.") from exc
    return copies
