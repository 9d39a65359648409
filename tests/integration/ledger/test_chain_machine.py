"""Record, fold, crash, sign and rotate in any order on two nodes: the ledger stays sound, and
whatever is done to it behind its back is found."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete, func, select, update

from secondbasket.core.decision import Decision
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.stores.database import Database
from secondbasket.stores.schema import decisions, metadata, receipts
from tests.databases import receipt
from tests.integration.ledger.audited import House, rechain

NODES = 2
WHICH = st.integers(0, 10**6)
NODE = st.integers(0, NODES - 1)


class _Killed(BaseException):
    """The process ends here."""


class Chained(RuleBasedStateMachine):
    url: str

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.database = Database(self.url)
        self.runner.run(self.database.migrate())
        self.runner.run(self.database.write(_empty))
        self.folder = Path(tempfile.mkdtemp(prefix="sb-chain-"))
        self.journals = [self.journal(number) for number in range(NODES)]
        self.ledgers = [Ledger(journal, self.database) for journal in self.journals]
        self.house = House(self.database, self.ledgers[0], self.notary(), [], [])
        self.house.keys.append(self.house.notary.key.signer().public_key)
        self.covered = 0

    def journal(self, number: int) -> Journal:
        return Journal(self.folder / str(number), segment_bytes=2_000)

    def notary(self) -> Notary:
        return Notary(self.ledgers[0], self.database, SigningKey(self.folder / "signing.pem"))

    def reopen(self, number: int) -> None:
        self.journals[number].close()
        self.journals[number] = self.journal(number)
        self.ledgers[number] = Ledger(self.journals[number], self.database)
        if number == 0:
            self.house.ledger = self.ledgers[0]
            self.house.notary = self.notary()

    @rule(node=NODE, decided=st.integers(0, 2), happened=st.integers(0, 3))
    def record(self, node: int, decided: int, happened: int) -> None:
        for number in range(decided):
            subject = f"{number}:443"
            decision = Decision(kind="egress", subject=subject, outcome="refused")
            self.ledgers[node].record_decision(decision)
        for _ in range(happened):
            self.ledgers[node].record(receipt(created_at="2026-11-22T10:00:00.000Z"))

    @rule(node=NODE)
    def fold(self, node: int) -> None:
        self.runner.run(self.ledgers[node].fold())

    @rule(node=NODE)
    def crash_while_folding(self, node: int) -> None:
        fold, end = self.ledgers[node]._fold, self.journals[node].end

        def die(connection: Connection) -> None:
            fold._fold_batch(end, 1_000, connection)
            raise _Killed

        with contextlib.suppress(_Killed):
            self.runner.run(self.database.write(die))
        self.reopen(node)

    @rule()
    def sign(self) -> None:
        self.house.heads.append(self.runner.run(self.house.head()))
        self.covered = self.size()

    @rule()
    def rotate(self) -> None:
        self.house.keys.append(self.runner.run(self.house.notary.rotate()))

    @rule()
    def crash_while_rotating(self) -> None:
        """The new key is announced, and does not sign yet."""
        notary = self.house.notary

        def die() -> None:
            raise _Killed

        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(_Killed):
            patch.setattr(notary.key, "adopt", die)
            self.runner.run(notary.rotate())
        self.reopen(0)
        self.sign()
        self.house.keys.append(self.house.notary.key.signer().public_key)

    @precondition(lambda self: self.size() > 0)
    @rule(which=WHICH, column=st.sampled_from([c.name for c in decisions.c if c.name != "id"]))
    def an_edited_entry_is_found(self, which: int, column: str) -> None:
        this = decisions.c.sequence == which % self.size() + 1
        value: Any = 10**6 if column == "sequence" else decisions.c[column] + "x"
        self.finds(update(decisions).where(this).values({column: value}), heads=[])

    @precondition(lambda self: self.size() > 0)
    @rule(which=WHICH)
    def a_removed_entry_is_found(self, which: int) -> None:
        place = which % self.size() + 1
        self.finds(delete(decisions).where(decisions.c.sequence == place), heads=[])

    @precondition(lambda self: self.size() > 1)
    @rule(which=WHICH, distance=st.integers(1, 5))
    def entries_that_changed_places_are_found(self, which: int, distance: int) -> None:
        one = which % self.size() + 1
        other = min(one + distance, self.size())
        assume(one != other)

        def swap(connection: Connection) -> None:
            place = decisions.c.sequence
            for before, after in ((one, -1), (other, one), (-1, other)):
                connection.execute(update(decisions).where(place == before).values(sequence=after))

        self.finds(swap, heads=[])

    @precondition(lambda self: self.covered > 0)
    @rule(which=WHICH, how=st.sampled_from(["edit", "remove", "truncate"]))
    def a_rewritten_chain_is_found_by_its_heads(self, which: int, how: str) -> None:
        place = which % self.covered + 1

        def rewrite(connection: Connection) -> None:
            if how == "edit":
                change = update(decisions).where(decisions.c.sequence == place)
                connection.execute(change.values(outcome=decisions.c.outcome + "x"))
            elif how == "remove":
                connection.execute(delete(decisions).where(decisions.c.sequence == place))
            else:
                connection.execute(delete(decisions).where(decisions.c.sequence >= place))
                connection.execute(delete(receipts).where(receipts.c.seal >= place))
            rechain(connection)

        self.finds(rewrite)

    @rule(which=WHICH, column=st.sampled_from([c.name for c in receipts.c if c.name != "hops"]))
    def an_edited_receipt_is_found(self, which: int, column: str) -> None:
        kind = str(receipts.c[column].type)
        forged = {"BIGINT": 77, "DOUBLE": 1.25, "BOOLEAN": False}.get(kind, "forged")
        self.finds(update(receipts).where(self.one_receipt(which)).values({column: forged}))

    @rule(which=WHICH)
    def a_removed_receipt_is_found(self, which: int) -> None:
        self.finds(delete(receipts).where(self.one_receipt(which)))

    @invariant()
    def the_ledger_is_sound(self) -> None:
        if hasattr(self, "covered"):
            found = self.runner.run(self.house.audit())
            assert found.problems == ()
            assert found.covered >= self.covered

    def finds(self, attack: Any, **told: Any) -> None:
        found = self.runner.run(self.house.after(attack, **told))
        assert not found.sound

    def one_receipt(self, which: int) -> Any:
        query = select(receipts.c.request_id).order_by(receipts.c.request_id)
        ids = self.runner.run(self.database.read(lambda c: c.scalars(query).all()))
        assume(ids)
        return receipts.c.request_id == ids[which % len(ids)]

    def size(self) -> int:
        query = select(func.max(decisions.c.sequence))
        return self.runner.run(self.database.read(lambda c: c.scalar(query))) or 0

    def teardown(self) -> None:
        if hasattr(self, "covered"):
            for ledger in self.ledgers:
                self.runner.run(ledger.close())
            self.the_ledger_is_sound()
            self.database.close()
            self.runner.close()
            shutil.rmtree(self.folder)


def _empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        connection.execute(delete(table))


def test_the_chain_holds_whatever_happens_in_whatever_order(database_url: str) -> None:
    machine = type("ChainedHere", (Chained,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
