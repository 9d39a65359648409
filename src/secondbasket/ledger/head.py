"""Heads as signed documents."""

from collections.abc import Mapping
from typing import Any

import msgspec

from secondbasket.core.head import Head

KIND = "secondbasket.tree_head"


def head_of(document: Mapping[str, Any]) -> Head:
    """What a head's document says, signed or not. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Head)
