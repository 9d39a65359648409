"""Signing heads, and reading them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from secondbasket.core.head import Head
from secondbasket.ledger.signing import Signer

KIND = "secondbasket.tree_head"


def sign_head(head: Head, signer: Signer) -> dict[str, Any]:
    """The signed document of `head`."""
    return signer.sign_document(KIND, msgspec.to_builtins(head))


def head_of(document: Mapping[str, Any]) -> Head:
    """What a head's document says, signed or not. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Head)
