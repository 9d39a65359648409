"""Are the rights of the keys those that the chain of decisions gave them?

Whoever can write to the database could make an administrator of a user, raise a
budget, or bring a revoked key back. A key that no decision made is not told of
here: its decision may still be on its way from the journal.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from secondbasket.core.money import format_nano
from secondbasket.ledger.findings import Problems
from secondbasket.stores.schema import decisions, keys

_CREATED, _REVOKED = "key_created", "key_revoked"


def check_key_rows(connection: Connection, problems: Problems) -> None:
    """Tell of every key whose row says other than its decisions."""
    made: dict[str, dict[str, str]] = {}
    revoked: set[str] = set()
    query = select(decisions.c.kind, decisions.c.subject, decisions.c.detail)
    for kind, subject, detail in connection.execute(
        query.where(decisions.c.kind.in_((_CREATED, _REVOKED)), decisions.c.outcome == "done")
    ):
        if kind == _REVOKED:
            revoked.add(subject)
            continue
        try:
            made[subject] = msgspec.json.decode(detail, type=dict[str, str])
        except (ValueError, TypeError):  # the entry's own hash tells of that
            continue
    found = {row["id"]: row for row in connection.execute(select(keys)).mappings()}
    for key_id, told in made.items():
        row = found.get(key_id)
        if row is None:
            problems.add("keys_changed", f"The key {key_id} was made, and is gone.")
            continue
        rights = _rights(row)
        other = [name for name, value in rights.items() if told.get(name, value) != value]
        if key_id in revoked and row["revoked_at"] is None:
            other.append("revoked_at")
        if other:
            problems.add(
                "keys_changed",
                f"The key {key_id} is not as its decisions made it: {', '.join(other)}.",
            )


def _rights(row: Any) -> dict[str, str]:
    """What a decision says of a key that is made, in its words."""
    return {
        "name": row["name"],
        "role": row["role"],
        "budget": _money(row["budget"], row["currency"]),
        "expires_at": row["expires_at"] or "never",
        "data_class": row["data_class"],
        "project": row["project"] or "none",
    }


def _money(budget: Any, currency: Any) -> str:
    """SQLite lets anything stand in a column: what is no amount is told as it is."""
    if budget is None:
        return "none"
    return format_nano(budget, currency) if isinstance(budget, int) else str(budget)
