"""A ledger with some of everything, and what an auditor of it keeps elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Executable, select, update

from secondbasket.core.canonical import canonical
from secondbasket.core.decision import Decision
from secondbasket.core.receipt import Hop
from secondbasket.ledger.audit import REPORT, Audit, audit
from secondbasket.ledger.egress_hours import KIND as EGRESS
from secondbasket.ledger.findings import Problems
from secondbasket.ledger.head_check import Document
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.record import DatabaseRecord
from secondbasket.ledger.signing import PublicKey, document_digest
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.ledger.sums import check_sums
from secondbasket.stores.database import Database
from secondbasket.stores.schema import chain_tail, decisions
from tests.databases import receipt


def hop(upstream: str, **fields: Any) -> Hop:
    return Hop(
        upstream=upstream,
        decision="first",
        provider="p",
        law="US",
        model="m",
        outcome="completed",
        **fields,
    )


Attack = Executable | Callable[[Connection], Any]


@dataclass
class House:
    """A running ledger. `heads` were kept elsewhere, `keys` are the auditor's own copies."""

    database: Database
    ledger: Ledger
    notary: Notary
    heads: list[Document]
    keys: list[PublicKey]

    async def record(self, *subjects: str) -> None:
        """A decision and two receipts for each subject, folded one subject at a time."""
        for subject in subjects:
            self.ledger.record_decision(
                Decision(
                    kind=EGRESS,
                    subject=f"{subject}.example.com:443",
                    outcome="counted",
                    detail={"law": 'é"\\', "vendor": "v", "data_class": "public"}
                    | {"sent": "412", "received": "7"},
                )
            )
            self.ledger.record(receipt(request_id=f"req_{subject}_1", key_id="key_1"))
            self.ledger.record(
                receipt(
                    request_id=f"req_{subject}_2",
                    key_id="key_1",
                    hops=(hop("us", input_tokens=31), hop("eu", output_tokens=12, cost=5_000)),
                    cached_input_tokens=0,
                    passed_over={"local": "not ready"},
                    error=None,
                )
            )
            await self.ledger.fold()

    async def head(self) -> Document:
        return Document("elsewhere", canonical(await self.notary.make()))

    async def drill(self) -> Document:
        """A drill whose signed report is in the ledger."""
        report = await self.notary.sign(REPORT, {"cuts": ["law:US"], "answered_percent": 100.0})
        self.ledger.record_decision(
            Decision(
                kind="drill",
                subject="assistant",
                outcome="passed",
                detail={"sha256": document_digest(report)},
            )
        )
        await self.ledger.fold()
        return Document("report.json", msgspec.json.encode(report))

    async def after(self, attack: Attack, **told: Any) -> Audit:
        """What `audit` finds once `attack` was done behind the product's back; it is undone."""

        def attack_and_look(connection: Connection) -> Audit:
            _do(attack, connection)
            found = self._look(connection, **told)
            raise _Undone(found)

        with pytest.raises(_Undone) as caught:
            await self.database.write(attack_and_look)
        return caught.value.found

    async def suffer(self, attack: Attack) -> None:
        """Do `attack` for good."""
        await self.database.write(partial(_do, attack))

    async def audit(self, **told: Any) -> Audit:
        """What an auditor finds who has the heads and the keys, unless told otherwise."""
        return await self.database.snapshot(partial(self._look, **told))

    def _look(
        self,
        connection: Connection,
        *,
        heads: Sequence[Document] | None = None,
        keys: Sequence[PublicKey] | None = None,
        reports: Sequence[Document] = (),
    ) -> Audit:
        problems = Problems()
        check_sums(connection, problems)
        return audit(
            DatabaseRecord(connection),
            heads=self.heads if heads is None else heads,
            keys=self.keys if keys is None else keys,
            reports=reports,
            problems=problems,
        )


class _Undone(Exception):
    def __init__(self, found: Audit) -> None:
        super().__init__()
        self.found = found


def _do(attack: Attack, connection: Connection) -> None:
    if isinstance(attack, Executable):
        connection.execute(attack)
    else:
        attack(connection)


async def build(database: Database, folder: Path) -> House:
    """Entries 1 to 11: begun, 2 x (bytes, seal), key, bytes, seal, key rotated, bytes, seal."""
    ledger = Ledger(Journal(folder / "journal"), database)
    notary = Notary(ledger, database, SigningKey(folder / "signing.pem"))
    house = House(database, ledger, notary, [], [notary.key.signer().public_key])
    await house.record("a", "b")
    house.heads.append(await house.head())
    await house.record("c")
    house.heads.append(await house.head())
    house.keys.append(await notary.rotate())
    await house.record("d")
    house.heads.append(await house.head())
    return house


def rechain(connection: Connection) -> None:
    """Number the entries anew and make every hash anew: what a careful forger does."""
    entries = connection.execute(select(decisions).order_by(decisions.c.sequence)).mappings().all()
    connection.execute(update(decisions).values(sequence=-decisions.c.sequence))
    previous, place = "0" * 64, 0
    for place, entry in enumerate(entries, 1):
        content = {name: value for name, value in entry.items() if name != "hash"}
        content |= {"sequence": place, "previous": previous}
        previous = sha256(canonical(content)).hexdigest()
        connection.execute(
            update(decisions)
            .where(decisions.c.id == entry["id"])
            .values(sequence=place, previous=content["previous"], hash=previous)
        )
    connection.execute(update(chain_tail).values(sequence=place, hash=previous))
