"""Which models are installed: one JSON manifest each, `manifests/NAME.json`."""

import difflib
import os
import re
import threading
from pathlib import Path

import msgspec

from secondbasket.core.model import ModelRecord
from secondbasket.errors import BadModelFile, Conflict, InvalidRequest, ModelNotFound
from secondbasket.models.disk import disk_errors
from secondbasket.models.store import flush_folder

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")


def check_name(name: str) -> str:
    """`name`, when it may name a model. It becomes a file name, so nothing else gets past."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            f"'{name}' cannot name a model.",
            hint="Use 1 to 96 lower-case letters, digits, '.', '_' or '-', "
            "starting with a letter or digit.",
            param="name",
        )
    return name


def name_from(text: str) -> str:
    """A model name made from a file's name: 'Qwen3-0.6B-Q8_0.gguf' → 'qwen3-0.6b-q8_0'."""
    stem = re.sub(r"\.(gguf|safetensors|onnx)$", "", text.lower())
    return check_name(re.sub(r"[^a-z0-9._-]+|\.{2,}", "-", stem).strip("-._"))


class Registry:
    """The manifests under `folder` (created when missing). Blocks; call it from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """The names of all models, whether their manifests can be read or not."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.json")))

    def list(self) -> tuple[ModelRecord, ...]:
        """All records, by name. Raises BadModelFile when one cannot be read."""
        return tuple(self._read(path) for path in sorted(self._folder.glob("*.json")))

    def find(self, name: str) -> ModelRecord | None:
        path = self._path(name)
        return self._read(path) if path.is_file() else None

    def get(self, name: str) -> ModelRecord:
        """The record of `name`; ModelNotFound names the nearest installed one."""
        record = self.find(name)
        if record is None:
            near = difflib.get_close_matches(name, self.names(), n=1)
            raise ModelNotFound(
                f"No model is installed under the name '{name}'.",
                hint=f"Did you mean '{near[0]}'?" if near else "See 'basket model list'.",
                param="model",
            )
        return record

    def add(self, record: ModelRecord, *, replace: bool = False) -> ModelRecord:
        """Install `record` under its name, durably.

        A name that already stands for the same files keeps its first record,
        which is returned. One that stands for other files is a Conflict
        unless `replace`: nobody's model changes under them by accident.
        """
        path = self._path(record.name)
        with self._lock:
            known = self._read(path) if path.is_file() else None
            if known is not None and not replace:
                if known.files == record.files:
                    return known
                raise Conflict(
                    f"'{record.name}' already names another model ({known.digest}, "
                    f"from {known.source}).",
                    hint="Pull under another name with --name, or replace it with --replace.",
                    param="name",
                )
            self._write(path, record)
        return record

    def remove(self, name: str) -> tuple[str, ...]:
        """Forget `name`; returns the sha256 of its files that no other model uses.

        Raises BadModelFile, and forgets nothing, when another model's manifest
        cannot be read: nobody knows then which files that one uses.
        """
        with self._lock:
            record = self.get(name)
            others = (each for each in self.list() if each.name != name)
            used = frozenset(file.sha256 for each in others for file in each.files)
            self._path(name).unlink()
            flush_folder(self._folder)
        return tuple(file.sha256 for file in record.files if file.sha256 not in used)

    def _path(self, name: str) -> Path:
        return self._folder / f"{check_name(name)}.json"

    def _read(self, path: Path) -> ModelRecord:
        try:
            return msgspec.json.decode(path.read_bytes(), type=ModelRecord)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as exc:
            raise BadModelFile(
                f"The manifest {path} cannot be read: {exc}",
                hint="Delete it and pull the model again; its weights stay in the store.",
            ) from exc

    def _write(self, path: Path, record: ModelRecord) -> None:
        text = msgspec.json.format(msgspec.json.encode(record), indent=2)
        # `list` looks for *.json: a draft that a crash left is nobody's manifest.
        draft = path.with_suffix(".draft")
        with disk_errors(self._folder), draft.open("wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        flush_folder(self._folder)
