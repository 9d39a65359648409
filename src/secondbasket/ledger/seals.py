"""Seals: how an entry of the chain covers the receipts that were folded with it.

A receipt's leaf is the canonical JSON object of its row, column by column as
the database holds it. The seal tells how many there are and the root of their
Merkle tree, in the order of their request ids' bytes; each receipt's column
`seal` holds the sequence of its entry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from secondbasket.core import merkle
from secondbasket.core.canonical import fraction
from secondbasket.core.decision import Decision
from secondbasket.stores.schema import receipts

SEALED = "receipts_sealed"

_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-4, 1e15
_COLUMNS = receipts.c.keys()
_REQUEST_ID = _COLUMNS.index("request_id")
_encode = msgspec.json.Encoder().encode


class LeafForm:
    """Which columns a leaf has, named by the seals of their time as `name`."""

    def __init__(self, name: str, columns: str) -> None:
        self.name = name
        self.columns = sorted(columns.split())
        self._values: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(
            *map(_COLUMNS.index, self.columns)
        )
        self._fractions = [place for place, name in enumerate(self.columns) if name.endswith("_ms")]
        self._object = msgspec.defstruct("_Leaf", [(name, Any) for name in self.columns])

    def content(self, row: Sequence[Any]) -> bytes:
        """What is hashed of a receipt, given one value for each column of its table."""
        values = list(self._values(row))
        for place in self._fractions:
            number = values[place]
            if number.__class__ is float and not _is_plain(number):
                values[place] = msgspec.Raw(fraction(number).encode())
        return _encode(self._object(*values))


def _is_plain(number: float) -> bool:
    """Whether msgspec writes it as `fraction` does: so it does nearly all, and much faster."""
    return _SMALLEST_PLAIN <= number < _LARGEST_PLAIN and number % 1 != 0


FORM = LeafForm(
    "1",
    "request_id created_at operation key_id key_name basket upstream model digest engine chip"
    " provider law outcome input_tokens output_tokens cached_input_tokens cost currency"
    " duration_ms first_token_ms bytes_sent bytes_received streamed usage_exact error"
    " data_class hops passed_over",
)
# A version that adds a column adds a form; what was sealed in an older one stays as it is.
FORMS: Mapping[str, LeafForm] = {form.name: form for form in (FORM,)}


def seal(rows: Sequence[Sequence[Any]]) -> Decision:
    """The entry that covers `rows` of the receipts table, at least one."""
    ordered = sorted(rows, key=lambda row: row[_REQUEST_ID].encode())
    return Decision(
        kind=SEALED,
        subject="receipts",
        outcome="sealed",
        detail={
            "count": str(len(ordered)),
            "first": ordered[0][_REQUEST_ID],
            "last": ordered[-1][_REQUEST_ID],
            "form": FORM.name,
            "root": root_of(map(FORM.content, ordered)),
        },
    )


def root_of(contents: Iterable[bytes]) -> str:
    """The root (hex) over the leaves of receipts in the order of their request ids."""
    return merkle.root(map(merkle.leaf, contents)).hex()
