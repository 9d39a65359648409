"""What the settings say of a family of tools, as that family's own struct."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from secondbasket.core.data_class import DataClass
from secondbasket.errors import SettingsError

T = TypeVar("T", bound=msgspec.Struct)


def read_options(family: str, settings: Mapping[str, Any], kind: type[T]) -> T:
    """The settings of ``[tools.FAMILY]`` as a `kind`. Raises SettingsError naming the key."""
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise SettingsError(
                f"There is no setting 'tools.{family}.{name}'.",
                hint=f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(known)}.",
                param=f"tools.{family}.{name}",
            )
    try:
        return msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as exc:
        reason, _, place = str(exc).partition(" - at `$.")
        key = f"tools.{family}.{place.rstrip('`')}" if place else f"tools.{family}"
        raise refused(key, reason) from exc


def refused(key: str, reason: str, hint: str = "") -> SettingsError:
    return SettingsError(
        f"'{key}' is refused: {reason}.",
        hint=hint or "docs/tools.md lists the settings of every tool.",
        param=key,
    )


def data_class_of(key: str, label: str) -> DataClass:
    """The class with that label. Raises SettingsError naming `key`."""
    try:
        return DataClass.parse(label)
    except ValueError as exc:
        raise refused(key, str(exc)) from exc
