"""Case 24 of the threats: whatever is done to a ledger behind its back is found and named."""

from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Double,
    Table,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from secondbasket.core.canonical import canonical
from secondbasket.core.decision import Decision
from secondbasket.ledger.audit import Audit
from secondbasket.ledger.head_check import Document
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.notary import Notary
from secondbasket.ledger.signing import Signer
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.stores.database import Database
from secondbasket.stores.schema import (
    chain_tail,
    decisions,
    egress_hours,
    receipts,
    rollups,
    tree_heads,
)
from tests.databases import KINDS, new_database_url, receipt
from tests.integration.ledger.audited import House, build, rechain

pytestmark = pytest.mark.anyio

TABLES = (decisions, receipts, rollups, egress_hours, chain_tail, tree_heads)


@pytest.fixture(scope="module", params=KINDS)
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[House]:
    """One for all attacks that are undone again."""
    folder = tmp_path_factory.mktemp("house")
    database = Database(new_database_url(request.param, folder, request))
    await database.migrate()
    house = await build(database, folder)
    yield house
    assert (await house.audit()).sound
    await house.ledger.close()
    database.close()


@pytest.fixture
async def own_house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """One for a test that goes on with it."""
    house = await build(database, tmp_path)
    yield house
    await house.ledger.close()


def kinds(found: Audit) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.entry) for problem in found.problems]


async def test_a_ledger_that_nobody_touched_is_sound(house: House) -> None:
    found = await house.audit()
    assert found.problems == ()
    assert found.sound
    assert (found.entries, found.receipts, found.covered) == (11, 8, 11)
    assert found.notes == ()
    assert [key.announced_by for key in found.keys] == ["", found.keys[0].key]
    assert (await house.audit(heads=[], keys=[])).problems[0].kind == "bad_key"


async def test_an_edited_entry_is_found_whatever_was_edited(house: House) -> None:
    this = decisions.c.sequence == 4
    stored = select(decisions).where(this)
    before = await house.database.read(lambda c: dict(c.execute(stored).mappings().one()))
    for column in before.keys() - {"sequence"}:
        change = update(decisions).where(this).values({column: f"{before[column]}x"})
        found = await house.after(change, heads=[])
        assert ("edited", 4) in kinds(found), column
        assert {entry for kind, entry in kinds(found) if kind != "sums_changed"} <= {4, 5}
        assert any("Entry 4 (" in problem.told for problem in found.problems)


async def test_an_entry_edited_with_a_hash_made_anew_is_found(house: House) -> None:
    def edit(connection: Connection) -> None:
        this = decisions.c.sequence == 4
        row = connection.execute(select(decisions).where(this)).mappings().one()
        content = {name: value for name, value in row.items() if name != "hash"}
        content["outcome"] = "allowed"
        values = {"outcome": "allowed", "hash": sha256(canonical(content)).hexdigest()}
        connection.execute(update(decisions).where(this).values(values))

    found = await house.after(edit, heads=[])
    assert kinds(found) == [("replaced", 5)]
    assert "does not follow entry 4" in found.problems[0].told


CHANGES = {BigInteger: 77, Boolean: False, Double: 1.5}


async def test_an_edited_receipt_is_found_whatever_was_edited(house: House) -> None:
    this = receipts.c.request_id == "req_b_1"
    for column in (each for each in receipts.c if each is not receipts.c.seal):
        forged = CHANGES.get(type(column.type), "forged")
        found = await house.after(update(receipts).where(this).values({column: forged}))
        about = [problem for problem in found.problems if problem.kind != "sums_changed"]
        assert [(each.kind, each.entry) for each in about] == [("receipts_changed", 5)], column
        assert "One of the 2 receipts that entry 5 seals (req_b_1 to req_b_2)" in about[0].told


async def test_a_receipt_put_under_another_seal_is_found(house: House) -> None:
    this = receipts.c.request_id == "req_b_1"
    found = await house.after(update(receipts).where(this).values(seal=3))
    assert kinds(found) == [("receipts_added", 3), ("receipts_removed", 5)]


async def test_a_removed_receipt_is_found(house: House) -> None:
    remove = delete(receipts).where(receipts.c.request_id == "req_b_2")
    found = await house.after(remove)
    assert ("receipts_removed", 5) in kinds(found)
    assert "seals 2 receipts (req_b_1 to req_b_2), and 1 are there" in str(found.problems)


@pytest.mark.parametrize("seal", [None, 5, 4, 400])
async def test_an_added_receipt_is_found(house: House, seal: int | None) -> None:
    forged = receipt(request_id="req_forged")
    row = {column.name: getattr(forged, column.name, None) for column in receipts.c}
    row |= {"hops": None, "passed_over": None, "seal": seal}
    found = await house.after(insert(receipts).values(row))
    [added] = [problem for problem in found.problems if problem.kind == "receipts_added"]
    assert added.entry == (5 if seal == 5 else None)
    assert seal == 5 or "req_forged" in added.told


@pytest.mark.parametrize("place", [1, 2, 5, 6, 9])
async def test_a_removed_entry_is_found(house: House, place: int) -> None:
    remove = delete(decisions).where(decisions.c.sequence == place)
    found = await house.after(remove, heads=[])
    assert ("missing", place) in kinds(found)
    assert f"Entry {place} is missing" in str(found.problems)


async def test_removed_entries_between_others_are_found(house: House) -> None:
    remove = delete(decisions).where(decisions.c.sequence.between(3, 7))
    found = await house.after(remove, heads=[])
    assert ("missing", 3) in kinds(found)
    assert "Entries 3 to 7 are missing" in str(found.problems)


async def test_the_last_entry_removed_is_found_by_the_note_of_the_end(house: House) -> None:
    remove = delete(decisions).where(decisions.c.sequence >= 10)
    found = await house.after(remove, heads=[])
    assert ("truncated", 10) in kinds(found)
    assert "entries 10 to 11 are missing at its end" in str(found.problems)


async def test_the_last_entries_and_the_note_removed_are_found_by_a_head(house: House) -> None:
    def truncate(connection: Connection) -> None:
        connection.execute(delete(decisions).where(decisions.c.sequence >= 10))
        connection.execute(delete(receipts).where(receipts.c.seal >= 10))
        connection.execute(delete(tree_heads).where(tree_heads.c.size >= 10))
        rechain(connection)

    without = await house.after(truncate, heads=[])
    assert {problem.kind for problem in without.problems} == {"sums_changed"}
    found = await house.after(truncate)
    assert ("truncated", 10) in kinds(found)
    assert "covers 11 entries: entries 10 to 11 are missing" in str(found.problems)


@pytest.mark.parametrize(("one", "other"), [(4, 7), (2, 11), (10, 11)])
async def test_entries_that_changed_places_are_found(house: House, one: int, other: int) -> None:
    def swap(connection: Connection) -> None:
        place = decisions.c.sequence
        for before, after in ((one, -1), (other, one), (-1, other)):
            connection.execute(update(decisions).where(place == before).values(sequence=after))

    found = await house.after(swap, heads=[])
    reordered = {entry for kind, entry in kinds(found) if kind == "reordered"}
    assert {one, other} & reordered


@pytest.mark.parametrize("place", [None, 12, 500])
async def test_an_entry_written_beside_the_ledger_is_found(house: House, place: int | None) -> None:
    row = {
        "id": "dec_forged",
        "at": "2026-11-22T10:00:00.000Z",
        "kind": "egress",
        "subject": "a:443",
        "outcome": "allowed",
        "detail": "{}",
        "sequence": place,
    }
    found = await house.after(insert(decisions).values(row), heads=[])
    assert not found.sound
    assert any("dec_forged" in p.told or p.entry in (12, 500) for p in found.problems)


def rewrite(connection: Connection) -> None:
    """Entry 4 says something else, and everything after it is made anew, the heads left out."""
    change = update(decisions).where(decisions.c.sequence == 4)
    connection.execute(change.values(outcome="allowed"))
    rechain(connection)


async def test_a_wholly_rewritten_chain_is_sound_in_itself_and_exposed_by_heads(
    house: House,
) -> None:
    def forge(connection: Connection) -> None:
        rewrite(connection)
        connection.execute(delete(tree_heads))

    assert (await house.after(forge, heads=[])).sound
    found = await house.after(forge)
    assert kinds(found) == [("rewritten", 1)]
    assert "something within entries 1 to 6 was rewritten. 2 more heads say so." in str(
        found.problems
    )


async def test_heads_say_where_the_rewriting_began(house: House) -> None:
    def forge(connection: Connection) -> None:
        change = update(decisions).where(decisions.c.sequence == 7)
        connection.execute(change.values(outcome="allowed"))
        rechain(connection)

    found = await house.after(forge)
    assert kinds(found) == [("rewritten", 7)]
    assert "something within entries 7 to 8 was rewritten" in str(found.problems)


async def test_who_rewrites_all_and_signs_it_anew_is_exposed_by_a_head_elsewhere(
    own_house: House,
) -> None:
    """The forger holds the home: its key too. Everything local agrees with the forgery."""

    def forge(connection: Connection) -> None:
        rewrite(connection)
        connection.execute(delete(tree_heads))

    house = own_house
    await house.suffer(forge)
    await Notary(house.ledger, house.database, house.notary.key).make()
    own = [house.notary.key.signer().public_key]
    local = await house.audit(heads=[], keys=own)
    assert local.sound
    assert local.covered == 11
    assert ("rewritten", 1) in kinds(await house.audit(keys=own))


async def test_another_ledger_in_its_place_is_told_by_its_name(own_house: House) -> None:
    def forge(connection: Connection) -> None:
        for table in TABLES:
            connection.execute(delete(table))

    await own_house.suffer(forge)
    await own_house.record("e")
    found = await own_house.audit()
    assert kinds(found) == [("rewritten", 1)]
    assert "it is another ledger, or all of it was rewritten" in str(found.problems)


async def test_heads_that_are_forged_themselves_count_for_nothing(house: House) -> None:
    head = msgspec.json.decode(house.heads[-1].text)
    forger = Signer.new()
    content = {name: head[name] for name in ("ledger", "size", "hash", "at")}
    forged = [
        head | {"hash": "0" * 64},
        head | {"size": 12},
        head | {"signature": None},
        forger.sign_document("secondbasket.tree_head", content),
        {"size": 11},
    ]
    documents = [Document("elsewhere", canonical(each)) for each in forged]
    found = await house.audit(heads=[*documents, Document("elsewhere", b"not JSON")])
    assert sorted(kind for kind, _ in kinds(found)) == [
        "bad_head",
        "bad_head",
        "bad_head",
        "bad_head",
        "bad_key",
        "bad_key",
    ]
    assert forger.key_id in str(found.problems)
    assert found.heads == 4


async def test_heads_kept_in_the_database_are_checked_too(house: House) -> None:
    newest = select(tree_heads.c.id).order_by(tree_heads.c.size.desc()).limit(1)

    def edit(connection: Connection) -> None:
        document = connection.scalar(select(tree_heads.c.document).where(tree_heads.c.size == 11))
        assert document is not None
        changed = document.replace('"size":11', '"size":10')
        connection.execute(
            update(tree_heads)
            .where(tree_heads.c.id == connection.scalar(newest))
            .values(document=changed)
        )

    found = await house.after(edit, heads=[])
    assert [kind for kind, _ in kinds(found)] == ["bad_head"]
    assert "kept in the database" in found.problems[0].told


async def test_edited_sums_are_found(house: House) -> None:
    def edit(connection: Connection) -> None:
        connection.execute(update(rollups).values(cost=rollups.c.cost - 1))

    found = await house.after(edit)
    assert {kind for kind, _ in kinds(found)} == {"sums_changed"}
    assert "key key_1" in found.problems[0].told


async def test_removed_and_invented_sums_are_found(house: House) -> None:
    removed = {problem.told for problem in (await house.after(delete(rollups))).problems}
    assert len(removed) >= 3
    row = dict.fromkeys(("hour", "key_id", "basket", "upstream", "currency"), "x")
    sums = ("calls", "input_tokens", "output_tokens", "cached_input_tokens", "cost")
    found = await house.after(insert(rollups).values(row | dict.fromkeys(sums, 1)))
    assert kinds(found) == [("sums_changed", None)]


async def test_counted_bytes_that_were_edited_are_found(house: House) -> None:
    found = await house.after(update(egress_hours).values(sent=egress_hours.c.sent - 1))
    assert kinds(found) == [("sums_changed", None)] * 4
    assert "a.example.com:443" in found.problems[0].told
    found = await house.after(delete(egress_hours))
    assert kinds(found) == [("sums_changed", None)] * 4


async def test_the_older_key_alone_is_enough_to_believe_its_successors(house: House) -> None:
    [first, second] = await house.notary.keys()
    for keys in ([first.key], [second.key]):
        found = await house.audit(keys=keys)
        assert found.sound
        assert [fact.known for fact in found.keys] == [True, True]


async def test_a_key_that_nobody_announced_is_not_believed(house: House) -> None:
    found = await house.audit(keys=[Signer.new().public_key])
    assert {kind for kind, _ in kinds(found)} == {"bad_key"}
    assert found.heads == 0


async def test_a_new_key_after_a_loss_is_told_plainly_and_believed_when_given(
    own_house: House,
) -> None:
    house = own_house
    house.notary.key.file.unlink()
    anew = Notary(house.ledger, house.database, SigningKey(house.notary.key.file))
    lost = anew.key.public_key()
    assert lost is not None
    key = await anew.rotate(lost=True)
    await house.record("e")
    head = Document("elsewhere", canonical(await anew.make()))
    found = await house.audit(heads=[*house.heads, head], keys=[key])
    assert found.sound
    assert f"announces the key {key.id}, and no earlier key signed that" in found.notes[0]
    unbelieved = await house.audit(heads=[head], keys=[lost])
    assert {kind for kind, _ in kinds(unbelieved)} == {"bad_key"}


async def test_a_drill_report_is_signed_and_in_the_ledger(own_house: House) -> None:
    house = own_house
    report = await house.drill()
    assert (await house.audit(reports=[report])).sound
    document = msgspec.json.decode(report.text)
    pretty = Document("pretty.json", msgspec.json.format(report.text, indent=4))
    assert (await house.audit(reports=[pretty])).sound
    other = await house.notary.sign("secondbasket.drill_report", {"answered_percent": 100.0})
    for forged, reason in (
        (document | {"answered_percent": 99.9}, "changed after"),
        (other, "no drill in the ledger"),
        ({"answered_percent": 1}, "no usable signature"),
        (house.heads[0], "not of the kind"),
    ):
        content = forged.text if isinstance(forged, Document) else canonical(forged)
        found = await house.audit(reports=[Document("r.json", content)])
        assert [kind for kind, _ in kinds(found)] == ["bad_report"]
        assert reason in found.problems[0].told


async def test_an_older_backup_against_newer_heads_is_a_truncation(own_house: House) -> None:
    house = own_house
    backup = await house.database.read(
        lambda c: {table: c.execute(select(table)).mappings().all() for table in TABLES}
    )
    await house.record("e", "f")
    house.heads.append(await house.head())

    def restore(connection: Connection) -> None:
        for table, rows in backup.items():
            connection.execute(delete(table))
            connection.execute(insert(table), [dict(row) for row in rows])

    await house.suffer(restore)
    found = await house.audit()
    assert kinds(found) == [("truncated", 12)]
    assert "covers 15 entries: entries 12 to 15 are missing" in str(found.problems)
    await house.record("g", "h", "i")
    found = await house.audit()
    assert kinds(found) == [("rewritten", 12)]


async def test_problems_without_end_are_counted(house: House) -> None:
    def forge(connection: Connection) -> None:
        rows = [{"id": f"x{number}", "sequence": None} for number in range(130)]
        for name in ("at", "kind", "subject", "outcome", "detail"):
            rows = [{**row, name: "x"} for row in rows]
        connection.execute(insert(decisions), rows)

    found = await house.after(forge)
    assert len(found.problems) == 100
    assert found.more_problems == 30
    assert not found.sound


async def test_the_running_notary_notices_what_was_changed_under_it(own_house: House) -> None:
    house = own_house
    await house.suffer(rewrite)
    await house.record("e")
    await house.notary.make()
    assert house.notary.damage.startswith("entry 11 is not the one that was signed at")
    [decision] = await house.ledger.decisions(kind="ledger_changed")
    assert decision.subject == "entry 11"


COVERED = [
    *(column for table in TABLES[:4] for column in table.c),
    chain_tail.c.sequence,
    chain_tail.c.hash,
    tree_heads.c.document,
]
ODD = ["'no such thing'", "x'00ff'", "77", "-1.5", "'[{}]'", "NULL"]


class Put:
    """Puts `value` into one column of a table's last row, and knows whether that changed it."""

    def __init__(self, table: Table, column: str, value: str) -> None:
        self.changed = False
        self._table = table
        self._statement = text(
            f"UPDATE {table.name} SET {column} = {value} WHERE rowid ="
            f" (SELECT max(rowid) FROM {table.name})"
        )

    def __call__(self, connection: Connection) -> None:
        before = connection.execute(select(self._table)).all()
        with suppress(IntegrityError):  # what a column refuses changes nothing
            connection.execute(self._statement)
        self.changed = connection.execute(select(self._table)).all() != before


@pytest.mark.parametrize("value", ODD)
async def test_whatever_sqlite_lets_stand_in_a_column_is_a_finding_and_no_crash(
    house: House, value: str
) -> None:
    if not house.database.is_sqlite:
        return
    for column in COVERED:
        put = Put(column.table, column.name, value)
        found = await house.after(put)
        assert found.sound == (not put.changed), (str(column), found.problems)


async def test_a_decision_recorded_twice_by_a_restored_journal_is_no_problem(
    own_house: House, tmp_path: Path
) -> None:
    house = own_house
    again = Ledger(Journal(tmp_path / "again"), house.database)
    decision = Decision(kind="egress", subject="a:443", outcome="done")
    again.record_decision(decision)
    house.ledger.record_decision(decision)
    await again.close()
    await house.ledger.fold()
    assert (await house.audit()).sound
