"""The file that describes an API: read, bounded, and its local references followed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from secondbasket.apps.tools.foreign_schema import look_up
from secondbasket.errors import InvalidRequest, SettingsError

_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_CHAIN = 8


def read_document(place: str, path: Path) -> Mapping[str, Any]:
    """The OpenAPI 3 document in `path`. Raises SettingsError that names `place`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise SettingsError(
            f"{place}.spec cannot be read: {exc.strerror} ({path}).",
            hint="Point it at the API's description, a JSON or YAML file.",
        ) from exc
    if len(content) > _MOST_BYTES:
        raise SettingsError(
            f"{place}.spec is larger than {_MOST_BYTES} bytes.",
            hint="Take the operations that are not wanted out of it.",
        )
    try:
        document = _decoded(path, content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SettingsError(f"{place}.spec is not what its name says: {exc}.") from exc
    if not isinstance(document, Mapping) or not str(document.get("openapi")).startswith("3."):
        raise SettingsError(
            f"{place}.spec is no OpenAPI 3 document.",
            hint="Older ones can be converted; its first line has to be openapi: 3.x.",
        )
    return document


def resolved(value: object, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`value`, or what its local reference leads to. Raises InvalidRequest."""
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(value, Mapping):
            raise InvalidRequest("A part of it is no object.")
        reference = value.get("$ref")
        if reference is None:
            return value
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise InvalidRequest(f"It refers to {str(reference)[:80]!r}, which is not in the file.")
        value = look_up(reference, document)
    raise InvalidRequest("Its references lead in a circle.")


def _decoded(path: Path, content: bytes) -> object:
    if path.suffix.lower() in (".yaml", ".yml"):
        return msgspec.yaml.decode(content)
    return msgspec.json.decode(content)
