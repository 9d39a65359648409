"""What goes over the admin socket about data sets."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from secondbasket.core.data_class import DataClass
from secondbasket.core.data_set import DataVersion
from secondbasket.models.data.readers import Columns


class ImportData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`path` is absolute, on the server's machine; `data_class` is the least of every row."""

    path: str
    name: str
    columns: Columns = Columns()
    data_class: str = DataClass.INTERNAL.label


class NamedData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """NAME for its newest version, or NAME@DIGEST."""

    name: str


class SplitData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`share` of the rows is held out; rows of one `group` stay together, the latest by `time`."""

    name: str
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    seed: int = 1
    group: str | None = None
    time: str | None = None


class CheckData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`against` are data sets that models are measured on."""

    name: str
    against: tuple[str, ...] = ()


class RedactedData(msgspec.Struct, frozen=True, kw_only=True):
    """The version without what was found, and how many were taken out, by kind."""

    made: DataVersion
    taken: Mapping[str, int]


class EraseData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the two: words that name somebody, or a source ('sha256:…', 'task:…')."""

    subject: str | None = None
    source: str | None = None
