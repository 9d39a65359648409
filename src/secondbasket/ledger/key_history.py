"""Which keys have signed for a ledger, as its own chain tells it.

Each key is announced by an entry of the kind 'ledger_key'. All but the first
name the key before them, whose holder signed the announcement; where that key
was lost, nobody did, and the entry says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from secondbasket.core.decision import Decision
from secondbasket.errors import BadSignature
from secondbasket.ledger.signing import PublicKey, Signature, check_document

ANNOUNCED = "ledger_key"
DOCUMENT = "secondbasket.ledger_key"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A key and the entry that announced it. `after` is the id of the key before, '' for none."""

    sequence: int
    at: str
    key: PublicKey
    after: str
    signature: Signature | None

    def signed_by(self, before: PublicKey) -> bool:
        """Whether the holder of the key `before` announced this one."""
        if self.signature is None:
            return False
        signed = next_key(self.key) | {
            "document": DOCUMENT,
            "signature": msgspec.to_builtins(self.signature),
        }
        try:
            check_document(DOCUMENT, signed, [before])
        except BadSignature:
            return False
        return True


def next_key(key: PublicKey) -> dict[str, str]:
    """What the holder of the key before signs of `key`, as a document of the kind DOCUMENT."""
    return {"key": key.id, "public_key": key.base64}


def announce(key: PublicKey, *, after: str, signed: Mapping[str, Any] | None) -> Decision:
    """The decision that announces `key` after the key `after` ('' for none).

    `signed` is the document that the holder of that key signed; None where
    nobody did.
    """
    signature = "" if signed is None else str(signed["signature"]["value"])
    return Decision(
        kind=ANNOUNCED,
        subject=key.id,
        outcome="announced" if signature or not after else "announced_unsigned",
        detail={"public_key": key.base64, "after": after, "signature": signature},
    )


def read_announcement(*, sequence: int, at: str, subject: str, detail: str) -> Announcement:
    """What an entry announces. Raises ValueError for one that announces no key."""
    found = msgspec.json.decode(detail, type=dict[str, str])
    key = PublicKey.from_base64(found.get("public_key", ""))
    if key.id != subject:
        raise ValueError(f"the public key is that of {key.id}")
    value, after = found.get("signature", ""), found.get("after", "")
    return Announcement(
        sequence=sequence,
        at=at,
        key=key,
        after=after,
        signature=Signature(key=after, value=value) if value else None,
    )


def vouched_for(
    known: Iterable[PublicKey], announced: Sequence[Announcement]
) -> dict[str, PublicKey]:
    """`known`, and every key that one of them announced, and every one that such a key did."""
    found = {key.id: key for key in known}
    for each in announced:  # a key comes after the one that announces it
        before = found.get(each.after)
        if before is not None and each.signed_by(before):
            found.setdefault(each.key.id, each.key)
    return found
