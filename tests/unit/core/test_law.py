"""Who is under which law."""

import pytest

from secondbasket.core.law import laws_over


@pytest.mark.parametrize(
    ("declared", "laws"),
    [
        ("FR", ("FR", "EU")),
        ("de", ("de", "EU")),
        ("EU", ("EU",)),
        ("US", ("US",)),
        ("CH", ("CH",)),
        ("own", ("own",)),
        (" ", ()),
    ],
)
def test_a_member_state_is_under_the_law_of_the_union_too(
    declared: str, laws: tuple[str, ...]
) -> None:
    assert laws_over(declared) == laws
