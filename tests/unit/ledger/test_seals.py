from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.canonical import canonical
from secondbasket.ledger.seals import FORM, FORMS
from secondbasket.stores.schema import receipts

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "TEXT": TEXT | st.none(),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    "BOOLEAN": st.booleans(),
}


@given(st.tuples(*(VALUES[str(column.type)] for column in receipts.c)))
def test_a_leaf_is_the_canonical_object_of_its_row(row: tuple[Any, ...]) -> None:
    named = dict(zip(receipts.c.keys(), row, strict=True))
    del named["seal"]
    assert FORM.content(row) == canonical(named)


def test_the_newest_form_covers_every_column() -> None:
    """Whoever adds a column to the receipts adds a form: unsealed, it could be edited unnoticed."""
    assert {*FORM.columns, "seal"} == set(receipts.c.keys())
    assert list(FORMS.values())[-1] is FORM
