"""Every setting as a row: for the layers, for `basket settings` and for the reference page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from secondbasket.settings.section import Section
from secondbasket.settings.tree import Secret, Settings, Unit


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting. `key` is its dotted name in basket.toml; `many` when it takes a list."""

    key: str
    variable: str
    kind: str
    many: bool
    unit: str
    default: Any
    description: str
    secret: bool


def all_settings() -> tuple[Setting, ...]:
    """All that can be set, in the order of the tree. A table of the user's names is one setting."""
    return tuple(_walk(Settings, ()))


def fields_of_tables() -> Mapping[str, tuple[Setting, ...]]:
    """What may stand under each named table ('policy.rules'): it has no variable of its own."""
    return {
        ".".join(path): tuple(_walk(table, (*path, "NAME")))
        for path, table in _tables(Settings, ())
    }


def _tables(
    model: type[BaseModel], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _tables(annotation, (*path, name))
        elif get_origin(annotation) is dict:
            table = get_args(annotation)[1]
            if isinstance(table, type) and issubclass(table, Section):
                yield (*path, name), table


def value_of(tree: Settings, key: str) -> Any:
    """The value of the setting `key`, as JSON has it."""
    value: Any = tree.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _walk(annotation, (*path, name))
        elif annotation is not Path or path:  # the home is where the settings are, not one of them
            yield _setting((*path, name), field)


def _setting(path: tuple[str, ...], field: FieldInfo) -> Setting:
    marks = _marks(field)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Setting(
        key=".".join(path),
        variable="_".join(("SECONDBASKET", *path)).upper(),
        kind="required " * field.is_required() + _kind(field.annotation),
        many=get_origin(field.annotation) is tuple,
        unit=next((mark.name for mark in marks if isinstance(mark, Unit)), ""),
        default=list(default) if isinstance(default, tuple) else default,
        description=field.description or "",
        secret=any(isinstance(mark, Secret) for mark in marks),
    )


def _marks(field: FieldInfo) -> list[Any]:
    """The field's own metadata, and that of the alternatives of `X | None`."""
    marks = list(field.metadata)
    for alternative in get_args(field.annotation):
        marks += getattr(alternative, "__metadata__", ())
    return marks


_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return _kind(next(a for a in get_args(annotation) if a is not NoneType))
    if origin is Literal:
        return " or ".join(get_args(annotation))
    if origin is tuple:
        return "list of text"
    if origin is dict:
        return "table"
    if origin is not None:
        return _kind(get_args(annotation)[0])
    return _KINDS.get(annotation, "amount")
