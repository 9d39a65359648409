"""A head: what was signed of the chain at one moment, to be kept where nobody can change both."""

from collections.abc import Mapping
from typing import Any

import msgspec

from secondbasket.ledger.signing import Signer

KIND = "secondbasket.tree_head"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of `ledger` had `size` entries at `at`, and the last one's hash was `hash`."""

    ledger: str
    size: int
    hash: str
    at: str


def sign_head(head: Head, signer: Signer) -> dict[str, Any]:
    """The signed document of `head`."""
    return signer.sign_document(KIND, msgspec.to_builtins(head))


def head_of(document: Mapping[str, Any]) -> Head:
    """What a head's document says, signed or not. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Head)
