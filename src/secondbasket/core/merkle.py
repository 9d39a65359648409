"""Merkle trees as certificate transparency hashes them (RFC 6962, 2.1), over SHA-256."""

from collections.abc import Iterable
from hashlib import sha256

EMPTY = sha256().digest()


def leaf(content: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\x00" + content).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in their order.

    RFC 6962 splits at the largest power of two; pairing neighbours from below
    and handing an odd last one up unchanged makes the same tree.
    """
    level = list(leaves)
    if not level:
        return EMPTY
    while len(level) > 1:
        neighbours = zip(level[::2], level[1::2], strict=False)
        pairs = [sha256(b"\x01" + left + right).digest() for left, right in neighbours]
        if len(level) % 2:
            pairs.append(level[-1])
        level = pairs
    return level[0]
