"""Heads against a chain: signed by whom, of which chain, and what they say about it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from secondbasket.core.canonical import canonical
from secondbasket.core.head import Head
from secondbasket.errors import BadSignature
from secondbasket.ledger.findings import Problems, span
from secondbasket.ledger.head import KIND, head_of
from secondbasket.ledger.key_history import vouched_for
from secondbasket.ledger.signing import PublicKey, check_document
from secondbasket.ledger.walk import Walk


class Document(msgspec.Struct, frozen=True):
    """JSON text that somebody gave; `source` tells people where it came from."""

    source: str
    text: bytes


class Claim(msgspec.Struct, frozen=True):
    """What a head says, signed or not."""

    source: str
    head: Head
    document: dict[str, Any]

    @property
    def signer(self) -> str:
        signature = self.document.get("signature")
        return str(signature.get("key"))[:64] if isinstance(signature, dict) else "none"

    def __str__(self) -> str:
        return f"The head of {self.head.at[:30]} ({self.source})"


def read_claims(documents: Iterable[Document], problems: Problems) -> list[Claim]:
    """The heads among `documents`; what is none is a problem."""
    claims: dict[bytes, Claim] = {}
    for each in documents:
        try:
            found = msgspec.json.decode(each.text, type=dict[str, Any])
            claims.setdefault(canonical(found), Claim(each.source, head_of(found), found))
        except (ValueError, RecursionError) as exc:
            problems.add("bad_head", f"This is no head ({each.source}): {exc}.")
    return list(claims.values())


class HeadCheck:
    """What comes of `claims` about the chain that `walk` went along.

    `known` are the keys that count, by id: `keys`, those that a known key
    announced, and those that were announced before a head that counts.
    `confirmed` are the heads that count and say of the chain what it is.
    """

    def __init__(
        self, claims: Sequence[Claim], walk: Walk, keys: Iterable[PublicKey], problems: Problems
    ) -> None:
        self._walk = walk
        self._problems = problems
        self.known = vouched_for(keys, walk.announced)
        while True:
            self.confirmed = [claim for claim in claims if self._confirms(claim)]
            self.covered = max((claim.head.size for claim in self.confirmed), default=0)
            before = [each.key for each in walk.announced if each.sequence <= self.covered]
            known = vouched_for([*self.known.values(), *before], walk.announced)
            if known.keys() == self.known.keys():
                break
            self.known = known
        self._tell([claim for claim in claims if claim not in self.confirmed])

    def _confirms(self, claim: Claim) -> bool:
        head = claim.head
        if head.ledger != self._walk.ledger or self._walk.hashes.get(head.size) != head.hash:
            return False
        return self._why_not(claim) is None

    def _why_not(self, claim: Claim) -> BadSignature | None:
        try:
            check_document(KIND, claim.document, self.known.values())
        except BadSignature as exc:
            return exc
        return None

    def _tell(self, others: Iterable[Claim]) -> None:
        speaking = []
        for claim in others:
            if claim.signer not in self.known:
                told = f"{claim} has the key {claim.signer}, for which no known key vouches."
                self._problems.add("bad_key", told)
            elif (wrong := self._why_not(claim)) is not None:
                self._problems.add("bad_head", f"{claim}: {wrong.message}")
            else:
                speaking.append(claim)
        mine = [claim for claim in speaking if claim.head.ledger == self._walk.ledger]
        self._tell_foreign([claim for claim in speaking if claim not in mine])
        self._tell_longer([claim for claim in mine if claim.head.size > self._walk.size])
        # Where that entry itself is missing, the walk has told so.
        self._tell_rewritten([claim for claim in mine if claim.head.size in self._walk.hashes])

    def _tell_foreign(self, claims: Sequence[Claim]) -> None:
        if claims:
            told = (
                f"{claims[0]} is of the ledger {claims[0].head.ledger[:64]}, and this one begins as"
                f" {self._walk.ledger or 'nothing'}: it is another ledger, or all of it was"
                f" rewritten.{_and_more(claims)}"
            )
            self._problems.add("rewritten", told, entry=1)

    def _tell_longer(self, claims: Sequence[Claim]) -> None:
        if claims:
            longest = max(claims, key=lambda claim: claim.head.size)
            told = (
                f"{longest} covers {longest.head.size} entries:"
                f" {span(self._walk.size + 1, longest.head.size)} missing at the end of the"
                f" chain.{_and_more(claims)}"
            )
            self._problems.add("truncated", told, entry=self._walk.size + 1)

    def _tell_rewritten(self, claims: Sequence[Claim]) -> None:
        if claims:
            first = min(claims, key=lambda claim: claim.head.size)
            size = first.head.size
            sound = max((c.head.size for c in self.confirmed if c.head.size < size), default=0)
            told = (
                f"{first} covers {size} entries, and the hash of the last was another: something"
                f" within entries {sound + 1} to {size} was rewritten.{_and_more(claims)}"
            )
            self._problems.add("rewritten", told, entry=sound + 1)


def _and_more(claims: Sequence[Claim]) -> str:
    return "" if len(claims) == 1 else f" {len(claims) - 1} more heads say so."
