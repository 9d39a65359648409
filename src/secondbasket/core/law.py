"""Which laws hold over whom: a member of the Union is under the Union's law beside its own."""

UNION = "EU"
_MEMBERS = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)


def laws_over(law: str) -> tuple[str, ...]:
    """A declared law and the one above it; its own first, none where none was declared."""
    if law.upper() in _MEMBERS:
        return law, UNION
    return (law,) if law.strip() else ()
