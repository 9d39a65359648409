"""Data sets in the words that import, checks, training and doors share."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Fault = Literal[
    "empty answer",
    "one class",
    "exact duplicate",
    "near duplicate",
    "label doubted",
    "contaminated",
]


class DataRow(msgspec.Struct, frozen=True, kw_only=True):
    """One example. `content` is the row as given: 'messages', whose last is the answer, and what
    else stood beside it. `source` names what it came from ('file:sha256:…', 'task:…',
    'receipt:…'), `place` where in it. `digest` is 'sha256:<hex>' of the canonical content.
    """

    content: Mapping[str, Any]
    digest: str
    source: str
    place: str


class DataVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a data set, which never changes: `digest` is that of its rows, in order.

    `parent` is the version that it was made of, empty for none; `made_by` says how ('import',
    'split train', 'redact', 'erase', 'tasks'). `findings` counts what detectors found, by kind.
    Of a version with `erased_by` no row is left: that receipt says why.
    """

    name: str
    digest: str
    created_at: str
    rows: int
    data_class: str
    made_by: str
    parent: str = ""
    findings: Mapping[str, int] = {}
    erased_by: str = ""


class RowFault(msgspec.Struct, frozen=True, kw_only=True):
    """`row` counts from 1; `other` is what it is like, or that it came from, empty for none."""

    row: int
    place: str
    fault: Fault
    why: str
    other: str = ""


class DataChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What `basket data check` found. `answers` counts the distinct ones."""

    name: str
    digest: str
    rows: int
    answers: int
    findings: Mapping[str, int]
    faults: Sequence[RowFault]


class DataErased(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an erasure. `subject` is a digest: what was erased is not kept here either.

    `versions` are gone, each as NAME@DIGEST; `made` took their place. `retrain` names what was made
    of them and still holds what it learned, as KIND:NAME. `unreached` says what erasure cannot.
    """

    id: str
    at: str
    subject: str
    rows: int
    versions: Sequence[str]
    made: Sequence[str]
    retrain: Sequence[str]
    unreached: Sequence[str]
