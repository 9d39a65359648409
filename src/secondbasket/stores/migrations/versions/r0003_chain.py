"""The chain of decisions, seals over receipts, signed heads; which pepper a key's HMAC is under.

What is there already is chained here, in the order of its moments: a first
entry that says so, the decisions, then seals over a thousand receipts each.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from secondbasket.core import merkle
from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now
from secondbasket.core.ids import new_id

revision = "0003"
down_revision = "0002"

_BATCH = 1000
_NOTHING = "0" * 64

_decisions = sa.table(
    "decisions",
    *(sa.column(name, sa.Text) for name in ("id", "at", "kind", "subject", "outcome", "detail")),
    *(sa.column(name) for name in ("sequence", "previous", "hash")),
)
_receipts = sa.table(
    "receipts",
    *(
        sa.column(name)
        for name in "request_id created_at operation key_id key_name basket upstream model digest"
        " engine chip provider law outcome input_tokens output_tokens cached_input_tokens cost"
        " currency duration_ms first_token_ms bytes_sent bytes_received error data_class hops"
        " passed_over".split()
    ),
    sa.column("streamed", sa.Boolean),
    sa.column("usage_exact", sa.Boolean),
)
_seal = sa.table("receipts", sa.column("request_id"), sa.column("seal"))
_tail = sa.table("chain_tail", *(sa.column(name) for name in ("id", "sequence", "hash")))


def upgrade() -> None:
    op.add_column("decisions", sa.Column("sequence", sa.BigInteger))
    op.add_column("decisions", sa.Column("previous", sa.Text))
    op.add_column("decisions", sa.Column("hash", sa.Text))
    op.create_index("decisions_by_sequence", "decisions", ["sequence"], unique=True)
    op.create_index("decisions_by_kind", "decisions", ["kind", "sequence"])
    op.create_table(
        "chain_tail",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "tree_heads",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("tree_heads_by_size", "tree_heads", ["size"])
    op.add_column("receipts", sa.Column("seal", sa.BigInteger))
    op.create_index("receipts_by_seal", "receipts", ["seal"])
    op.add_column("keys", sa.Column("pepper", sa.Text, nullable=False, server_default=""))
    _chain(op.get_bind())


def _chain(connection: sa.Connection) -> None:
    tables = {"decisions": _decisions, "receipts": _receipts}
    found = {
        name: connection.scalar(sa.select(sa.func.count()).select_from(table))
        for name, table in tables.items()
    }
    if not any(found.values()):
        return  # the first fold begins the chain
    links = _Links()
    told = {name: str(count) for name, count in found.items()}
    begun = links.add(_decision("ledger_begun", new_id("ledger"), "done", told))
    for rows in _batches(connection, _decisions, ("at", "id")):
        connection.execute(
            sa.update(_decisions)
            .where(_decisions.c.id == sa.bindparam("its_id"))
            .values(
                {name: sa.bindparam(f"its_{name}") for name in ("sequence", "previous", "hash")}
            ),
            [
                {f"its_{name}": link[name] for name in ("id", "sequence", "previous", "hash")}
                for link in map(links.add, rows)
            ],
        )
    connection.execute(sa.insert(_decisions), begun)
    for rows in _batches(connection, _receipts, ("created_at", "request_id")):
        seal = links.add(_sealed(rows))
        connection.execute(sa.insert(_decisions), seal)
        connection.execute(
            sa.update(_seal)
            .where(_seal.c.request_id == sa.bindparam("its_id"))
            .values(seal=seal["sequence"]),
            [{"its_id": row["request_id"]} for row in rows],
        )
    last = {"id": 1, "sequence": links.sequence, "hash": links.hash}
    connection.execute(sa.insert(_tail), last)


class _Links:
    """Gives each entry its place in the chain."""

    def __init__(self) -> None:
        self.sequence = 0
        self.hash = _NOTHING

    def add(self, row: Mapping[str, Any]) -> dict[str, Any]:
        names = ("id", "at", "kind", "subject", "outcome", "detail")
        content = {name: row[name] for name in names}
        content |= {"sequence": self.sequence + 1, "previous": self.hash}
        self.sequence += 1
        self.hash = sha256(canonical(content)).hexdigest()
        return content | {"hash": self.hash}


def _batches(
    connection: sa.Connection, table: sa.TableClause, order: tuple[str, str]
) -> Iterator[list[dict[str, Any]]]:
    """All rows in their order, some at a time."""
    place = sa.tuple_(*(table.c[name] for name in order))
    query = sa.select(table).order_by(*(table.c[name] for name in order)).limit(_BATCH)
    rows = connection.execute(query).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        reached = tuple(rows[-1][name] for name in order)
        rows = connection.execute(query.where(place > reached)).mappings().all()


def _sealed(rows: list[dict[str, Any]]) -> dict[str, str]:
    ordered = sorted(rows, key=lambda row: row["request_id"].encode())
    root = merkle.root(merkle.leaf(canonical(row)) for row in ordered).hex()
    detail = {
        "count": str(len(rows)),
        "first": ordered[0]["request_id"],
        "last": ordered[-1]["request_id"],
        "form": "1",
        "root": root,
    }
    return _decision("receipts_sealed", "receipts", "sealed", detail)


def _decision(kind: str, subject: str, outcome: str, detail: Mapping[str, str]) -> dict[str, str]:
    return {
        "id": new_id("dec"),
        "at": now(),
        "kind": kind,
        "subject": subject,
        "outcome": outcome,
        "detail": msgspec.json.encode(detail).decode(),
    }
