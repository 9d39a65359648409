"""Peppers side by side: rotation ends no key, and a lost one is told plainly."""

import shutil
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from secondbasket.core.clock import timestamp
from secondbasket.errors import AuthenticationFailed, KeyRevoked, KeyUncheckable
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.keys import Keys
from secondbasket.maas.pepper_care import PepperCare
from secondbasket.maas.sessions import Sessions
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home, write_private
from secondbasket.stores.peppers import Peppers
from secondbasket.stores.schema import keys as table

pytestmark = pytest.mark.anyio


class Server:
    """What a start of the server on `home` makes of keys and peppers."""

    def __init__(self, database: Database, ledger: Ledger, home: Home) -> None:
        self.peppers = Peppers(home)
        record = ledger.record_decision
        self.care = PepperCare(database, self.peppers, record=record)
        self.keys = Keys(database, peppers=self.peppers, currency="USD", record=record)
        self.sessions = Sessions(database, self.keys, peppers=self.peppers)

    async def start(self) -> "Server":
        await self.care.settle()
        await self.keys.reload()
        return self


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
async def ledger(database: Database, tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    yield ledger
    await ledger.close()


def files(home: Home) -> set[str]:
    return {path.name for path in home.secrets.iterdir()}


async def test_keys_of_both_peppers_work_until_the_old_one_is_needed_by_none(
    database: Database, ledger: Ledger, home: Home
) -> None:
    server = await Server(database, ledger, home).start()
    old, old_secret = await server.keys.create(by=None, name="old")
    before = server.peppers.current
    [now_old, now_new] = reversed(await server.care.rotate(server.keys, revoke_lost=False))
    assert (now_old.id, now_old.present, now_old.keys) == (before.id, True, (old.id,))
    assert (now_new.current, now_new.keys) == (True, ())
    new, new_secret = await server.keys.create(by=None, name="new")
    assert files(home) == {"pepper", f"pepper-{before.id}"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.secrets.iterdir()} == {0o600}

    again = await Server(database, ledger, home).start()
    assert again.keys.verify(old_secret) == old
    assert again.keys.verify(new_secret) == new
    assert again.peppers.current.id == now_new.id

    await again.keys.revoke(old.id, by=None)
    last = await Server(database, ledger, home).start()
    assert files(home) == {"pepper"}
    assert last.keys.verify(new_secret) == new
    with pytest.raises(AuthenticationFailed, match="not known"):
        last.keys.verify(old_secret)
    told = {each.kind: each.subject for each in await ledger.decisions()}
    assert told["pepper_rotated"] == now_new.id
    assert told["pepper_dropped"] == before.id


async def test_an_expired_key_needs_no_pepper(
    database: Database, ledger: Ledger, home: Home
) -> None:
    server = await Server(database, ledger, home).start()
    soon = timestamp(datetime.now(UTC) + timedelta(hours=1))
    await server.keys.create(by=None, name="old", expires_at=soon)
    await server.care.rotate(server.keys, revoke_lost=False)
    assert len(files(home)) == 2
    gone = update(table).values(expires_at="2026-01-01T00:00:00.000Z")
    await database.write(lambda connection: connection.execute(gone))
    await Server(database, ledger, home).start()
    assert files(home) == {"pepper"}


async def test_rotating_ends_console_sessions(
    database: Database, ledger: Ledger, home: Home
) -> None:
    server = await Server(database, ledger, home).start()
    key, _ = await server.keys.create(by=None, name="a", role="admin")
    cookie, _ = await server.sessions.open(key)
    assert await server.sessions.find(cookie) is not None
    await server.care.rotate(server.keys, revoke_lost=False)
    assert await server.sessions.find(cookie) is None


async def test_a_lost_pepper_is_told_to_whoever_asks_and_a_way_out_is_there(
    database: Database, ledger: Ledger, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    server = await Server(database, ledger, home).start()
    old, old_secret = await server.keys.create(by=None, name="old")
    lost = server.peppers.current.id
    kept = home.root / "kept"
    (home.secrets / "pepper").rename(kept)

    server = await Server(database, ledger, home).start()
    assert f"the pepper {lost} is missing: 1 keys cannot be checked" in caplog.text
    with pytest.raises(KeyUncheckable, match="cannot be checked"):
        server.keys.verify(old_secret)
    with pytest.raises(AuthenticationFailed, match="not known"):
        server.keys.verify("sk-basket-key_1.x")
    new, new_secret = await server.keys.create(by=None, name="new")
    [fact] = [fact for fact in await server.care.facts() if not fact.present]
    assert (fact.id, fact.keys) == (lost, (old.id,))

    # One way: put it back, under either name.
    shutil.copy(kept, home.secrets / f"pepper-{lost}")
    server = await Server(database, ledger, home).start()
    assert server.keys.verify(old_secret) == old
    assert server.keys.verify(new_secret) == new

    # The other: give it up.
    (home.secrets / f"pepper-{lost}").unlink()
    server = await Server(database, ledger, home).start()
    facts = await server.care.rotate(server.keys, revoke_lost=True)
    assert all(fact.present for fact in facts)
    assert server.keys.verify(new_secret) == new
    assert [key.revoked_at is None for key in await server.keys.list()] == [False, True]
    assert [each.subject for each in await ledger.decisions(kind="key_revoked")] == [old.id]


async def test_keys_from_before_peppers_had_names_are_the_first_peppers(
    database: Database, ledger: Ledger, home: Home
) -> None:
    server = await Server(database, ledger, home).start()
    key, secret = await server.keys.create(by=None, name="old")
    unnamed = update(table).values(pepper="")
    await database.write(lambda connection: connection.execute(unnamed))
    server = await Server(database, ledger, home).start()
    assert server.keys.verify(secret) == key
    named = await database.read(lambda connection: connection.scalar(select(table.c.pepper)))
    assert named == server.peppers.current.id

    await database.write(lambda connection: connection.execute(unnamed))
    (home.secrets / "pepper").unlink()
    for _ in range(2):
        server = await Server(database, ledger, home).start()
        with pytest.raises(KeyUncheckable):
            server.keys.verify(secret)


async def test_a_rotation_that_breaks_off_loses_no_key(
    database: Database, ledger: Ledger, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash comes after the old pepper was put aside, and before the new one is there."""
    server = await Server(database, ledger, home).start()
    key, secret = await server.keys.create(by=None, name="a")

    def die(path: Path, content: bytes) -> None:
        if path.name == "pepper":
            raise KeyboardInterrupt
        write_private(path, content)

    monkeypatch.setattr("secondbasket.stores.peppers.write_private", die)
    with pytest.raises(KeyboardInterrupt):
        server.peppers.rotate()
    monkeypatch.undo()
    server = await Server(database, ledger, home).start()
    assert server.keys.verify(secret) == key
    await server.care.rotate(server.keys, revoke_lost=False)
    assert server.keys.verify(secret) == key
    with pytest.raises(KeyRevoked):
        await server.keys.revoke(key.id, by=None)
        server.keys.verify(secret)
