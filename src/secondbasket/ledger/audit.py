"""Is a ledger what it was? Its chain in itself, and against heads that were kept elsewhere.

A chain that was rewritten as a whole is sound in itself: only a head that its
writer could not change exposes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from secondbasket.errors import BadSignature
from secondbasket.ledger.findings import Problem, Problems, span
from secondbasket.ledger.head_check import Document, HeadCheck, read_claims
from secondbasket.ledger.key_history import Announcement
from secondbasket.ledger.record import Record
from secondbasket.ledger.signing import PublicKey, check_document, document_digest
from secondbasket.ledger.walk import Walk

REPORT = "secondbasket.drill_report"


class KeyFact(msgspec.Struct, frozen=True, kw_only=True):
    """A key that the chain announces. `announced_by` is the key before it, '' where none signed."""

    key: str
    entry: int
    at: str
    announced_by: str
    known: bool


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `covered` entries are vouched for by `heads` heads that count."""

    sound: bool
    record: str
    ledger: str
    entries: int
    hash: str
    receipts: int
    heads: int
    covered: int
    keys: tuple[KeyFact, ...]
    problems: tuple[Problem, ...]
    more_problems: int
    notes: tuple[str, ...]


def audit(
    record: Record,
    *,
    heads: Iterable[Document] = (),
    keys: Sequence[PublicKey] | None = None,
    reports: Iterable[Document] = (),
    problems: Problems | None = None,
) -> Audit:
    """Check `record`, `heads` kept elsewhere besides those in it, and signed drill `reports`.

    Without `keys` those that the ledger announces are believed, which says
    nothing against who could rewrite all of it; a note tells so. What was
    found before is in `problems`. Raises StoreError for a record that cannot
    be read.
    """
    problems = problems or Problems()
    kept = (Document(f"kept in {record.name}", text) for text in record.heads())
    claims = read_claims((*kept, *heads), problems)
    walk = Walk(record, {claim.head.size for claim in claims}, problems)
    given = [each.key for each in walk.announced] if keys is None else keys
    check = HeadCheck(claims, walk, given, problems)
    for report in reports:
        _check_report(report, check.known, walk.drills, problems)
    return Audit(
        sound=not problems.told,
        record=record.name,
        ledger=walk.ledger,
        entries=walk.size,
        hash=walk.hash,
        receipts=walk.receipts,
        heads=len(check.confirmed),
        covered=check.covered,
        keys=_key_facts(walk.announced, check.known),
        problems=tuple(problems.told),
        more_problems=problems.untold,
        notes=tuple(_notes(walk, check, trusting=keys is None)),
    )


def _key_facts(
    announced: Sequence[Announcement], known: Mapping[str, PublicKey]
) -> tuple[KeyFact, ...]:
    keys = {each.key.id: each.key for each in announced} | dict(known)
    return tuple(
        KeyFact(
            key=each.key.id,
            entry=each.sequence,
            at=each.at,
            announced_by=each.after
            if each.after in keys and each.signed_by(keys[each.after])
            else "",
            known=each.key.id in known,
        )
        for each in announced
    )


def _notes(walk: Walk, check: HeadCheck, *, trusting: bool) -> Iterable[str]:
    if trusting and check.confirmed:
        yield (
            "No public key was given: signatures were checked with the keys that the ledger itself"
            " announces, which says nothing against who could rewrite all of it."
        )
    for fact in _key_facts(walk.announced, check.known)[1:]:
        if not fact.announced_by:
            yield (
                f"Entry {fact.entry} announces the key {fact.key}, and no earlier key signed that:"
                " the one before was lost, or another node or somebody else drew it."
            )
    if check.covered < walk.size:
        told = span(check.covered + 1, walk.size)
        yield f"{told[0].upper()}{told[1:]} not covered by any head yet."


def _check_report(
    report: Document, known: Mapping[str, PublicKey], drills: Mapping[str, int], problems: Problems
) -> None:
    try:
        document = msgspec.json.decode(report.text, type=dict[str, Any])
        check_document(REPORT, document, known.values())
    except BadSignature as exc:
        problems.add("bad_report", f"The report {report.source}: {exc.message}")
    except (ValueError, RecursionError) as exc:
        problems.add("bad_report", f"{report.source} is no report: {exc}.")
    else:
        digest = document_digest(document)
        if digest not in drills:
            told = (
                f"The report {report.source} is signed, and no drill in the ledger has its"
                f" SHA-256, {digest}."
            )
            problems.add("bad_report", told)
