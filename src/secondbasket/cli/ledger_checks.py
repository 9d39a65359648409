"""What `basket doctor` and `basket status` say of the ledger's signing and of the keys' peppers."""

from collections.abc import Sequence

from secondbasket.cli.finding import Finding, ok, warning
from secondbasket.cli.output import moment
from secondbasket.core.head import LedgerStatus
from secondbasket.core.pepper import PepperFact

_LEDGER = "Ledger"
_PEPPERS = "Keys"


def signing(ledger: LedgerStatus) -> Finding:
    """Heads are signed, and are where they should be kept."""
    if ledger.damage:
        return Finding(
            check=_LEDGER,
            state="broken",
            found=f"It was changed behind the server's back: {ledger.damage}.",
            mend="Run: basket ledger verify --head FILE, with the heads kept on another host.",
        )
    if ledger.failure:
        return Finding(
            check=_LEDGER,
            state="broken",
            found=f"It is not being signed: {ledger.failure}",
            mend="See docs/ledger.md on keys and their recovery.",
        )
    if ledger.file_failure:
        return warning(
            _LEDGER,
            f"Its heads do not reach ledger.head_file: {ledger.file_failure}.",
            "Mend the share or the setting; the next head covers what is missing there.",
        )
    failing = [push for push in ledger.pushes if push.failure]
    if failing:
        told = "; ".join(
            f"{push.destination} since {moment(push.failing_since)}: {push.failure}"
            for push in failing
        )
        return warning(
            _LEDGER,
            f"Its heads do not reach another host: {told}.",
            "Mend that host or ledger.head_push_urls; pushing goes on by itself.",
        )
    return ok(_LEDGER, signed_so_far(ledger))


def signed_so_far(ledger: LedgerStatus) -> str:
    """'signed up to entry 812 at …, kept at …' in a line."""
    if ledger.head is None:
        return "nothing signed yet"
    told = f"signed up to entry {ledger.head.size} at {moment(ledger.head.at)}"
    kept = [push.destination for push in ledger.pushes if push.size and not push.failure]
    return f"{told}, kept at {', '.join(kept)}" if kept else told


def peppers(facts: Sequence[PepperFact]) -> Finding:
    """Every live key can be checked."""
    missing = [fact for fact in facts if not fact.present]
    if missing:
        count = sum(len(fact.keys) for fact in missing)
        names = ", ".join(fact.id for fact in missing)
        return Finding(
            check=_PEPPERS,
            state="broken",
            found=f"{count} keys cannot be checked: the pepper {names} is missing.",
            mend="Put the home's secrets back from a backup, or make new keys and run: basket key"
            " rotate-pepper --revoke-lost",
        )
    return ok(_PEPPERS, f"{sum(len(fact.keys) for fact in facts)} live keys can be checked")
