from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.keys import Keys
from secondbasket.maas.sessions import Sessions
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers
from secondbasket.stores.schema import sessions as table

pytestmark = pytest.mark.anyio


@pytest.fixture
def peppers(tmp_path: Path) -> Peppers:
    home = Home(tmp_path / "home")
    home.create()
    return Peppers(home)


@pytest.fixture
async def keys(database: Database, peppers: Peppers, tmp_path: Path) -> AsyncIterator[Keys]:
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    yield Keys(database, peppers=peppers, currency="USD", record=ledger.record_decision)
    await ledger.close()


async def test_a_session_acts_for_its_key_until_it_is_closed(
    database: Database, keys: Keys, peppers: Peppers
) -> None:
    sessions = Sessions(database, keys, peppers=peppers)
    key, _ = await keys.create(by=None, name="a")
    cookie, csrf_token = await sessions.open(key)
    other_cookie, other_token = await sessions.open(key)
    # Another object is another start of the server.
    found = await Sessions(database, keys, peppers=peppers).find(cookie)
    assert found is not None
    assert (found.key, found.csrf_token) == (key, csrf_token)
    assert csrf_token != other_token
    await sessions.close(cookie)
    await sessions.close("unknown")
    assert await sessions.find(cookie) is None
    assert await sessions.find(other_cookie) is not None


async def test_the_database_does_not_hold_what_opens_a_session(
    database: Database, keys: Keys, peppers: Peppers
) -> None:
    sessions = Sessions(database, keys, peppers=peppers)
    key, _ = await keys.create(by=None, name="a")
    cookie, csrf_token = await sessions.open(key)
    rows = await database.read(lambda c: c.execute(text("SELECT * FROM sessions")).all())
    assert cookie not in str(rows)
    assert csrf_token not in str(rows)
    for kept in rows[0]:
        assert await sessions.find(kept) is None


async def test_a_revoked_key_ends_its_sessions_at_once(
    database: Database, keys: Keys, peppers: Peppers
) -> None:
    sessions = Sessions(database, keys, peppers=peppers)
    key, _ = await keys.create(by=None, name="a")
    cookie, _ = await sessions.open(key)
    await keys.revoke(key.id, by=None)
    assert await sessions.find(cookie) is None


async def test_a_session_ends_by_itself_and_its_row_goes(
    database: Database, keys: Keys, peppers: Peppers
) -> None:
    key, _ = await keys.create(by=None, name="a")
    brief = Sessions(database, keys, peppers=peppers, lifetime=timedelta(0))
    cookie, _ = await brief.open(key)
    assert await brief.find(cookie) is None
    await Sessions(database, keys, peppers=peppers).open(key)
    assert await database.read(lambda c: c.scalar(select(func.count()).select_from(table))) == 1


@pytest.mark.parametrize("cookie", ["", "x" * 43, "' OR '1'='1", "é\udcff\0"])
async def test_a_made_up_cookie_is_no_session(
    database: Database, keys: Keys, peppers: Peppers, cookie: str
) -> None:
    sessions = Sessions(database, keys, peppers=peppers)
    key, _ = await keys.create(by=None, name="a")
    await sessions.open(key)
    assert await sessions.find(cookie) is None
