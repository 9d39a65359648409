"""The header can only raise, and a word that is no class is refused."""

import pytest

from secondbasket.core.data_class import DataClass
from secondbasket.errors import InvalidRequest
from secondbasket.server.data_class import asked_class

NAME = b"x-basket-data-class"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], DataClass.PUBLIC),
        ([b"public"], DataClass.PUBLIC),
        ([b"Confidential "], DataClass.CONFIDENTIAL),
        ([b"internal", b"secret", b"public"], DataClass.SECRET),
    ],
)
def test_the_highest_of_all_headers_counts(values: list[bytes], expected: DataClass) -> None:
    headers = [(b"host", b"secret"), *((NAME, value) for value in values)]
    assert asked_class({"headers": headers}) is expected


@pytest.mark.parametrize(
    "value", [b"", b"top", b"2", b"secret, public", b"secret\xff", b"\xef\xbc\xb3ecret"]
)
def test_a_word_that_is_no_class_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-basket-data-class") as caught:
        asked_class({"headers": [(NAME, b"secret"), (NAME, value)]})
    assert caught.value.status == 400
