"""Data classes are ordered, and read back from the label they are written as."""

from itertools import pairwise

import pytest

from secondbasket.core.data_class import DataClass


def test_they_are_ordered_from_public_to_secret() -> None:
    assert [each.label for each in sorted(DataClass)] == [
        *("public", "internal", "confidential", "secret")
    ]
    assert all(lower < higher for lower, higher in pairwise(DataClass))


@pytest.mark.parametrize("each", list(DataClass))
def test_a_label_is_read_back(each: DataClass) -> None:
    assert DataClass.parse(each.label) is each
    assert DataClass.parse(f" {each.label.upper()} ") is each


@pytest.mark.parametrize("text", ["", "top secret", "0", "3", "ｓecret", "confidential,public"])
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="public, internal, confidential, secret"):
        DataClass.parse(text)
