import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, text

from secondbasket.core.clock import timestamp
from secondbasket.core.key import Key
from secondbasket.errors import (
    AuthenticationFailed,
    InvalidRequest,
    KeyExpired,
    KeyRevoked,
    NotFound,
    PermissionDenied,
)
from secondbasket.ledger.journal import Journal
from secondbasket.ledger.ledger import Ledger
from secondbasket.maas.keys import Keys
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home
from secondbasket.stores.peppers import Peppers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger(database: Database, tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(Journal(tmp_path / "journal"), database)
    yield ledger
    await ledger.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


def new_home(root: Path) -> Home:
    home = Home(root)
    home.create()
    return home


def keys_of(database: Database, ledger: Ledger, home: Home) -> Keys:
    """As a server on `home` has them; a second one on the same home is its restart."""
    return Keys(
        database,
        peppers=Peppers(home),
        currency="USD",
        record=ledger.record_decision,
        projects=lambda: {"payroll"},
    )


@pytest.fixture
async def keys(database: Database, ledger: Ledger, home: Home) -> Keys:
    return keys_of(database, ledger, home)


def from_now(**distance: float) -> str:
    return timestamp(datetime.now(UTC) + timedelta(**distance))


async def test_a_secret_opens_its_key_here_and_after_a_restart(
    database: Database, ledger: Ledger, keys: Keys, home: Home
) -> None:
    key, secret = await keys.create(
        by=None, name=" Berlin ", budget=5_000, expires_at="2030-01-01T01:00:00+01:00"
    )
    assert re.fullmatch(rf"sk-basket-{key.id}\.[A-Za-z0-9_-]{{43}}", secret)
    assert (key.name, key.role, key.budget, key.currency) == ("Berlin", "user", 5_000, "USD")
    assert key.expires_at == "2030-01-01T00:00:00.000Z"
    assert keys.verify(secret) == key
    later = keys_of(database, ledger, home)
    with pytest.raises(AuthenticationFailed):
        later.verify(secret)
    await later.reload()
    assert later.verify(secret) == key
    assert await later.list() == (key,)


async def test_the_database_does_not_hold_what_opens_it(
    database: Database, ledger: Ledger, keys: Keys, tmp_path: Path
) -> None:
    _, secret = await keys.create(by=None, name="a")
    rows = await database.read(lambda c: c.execute(text("SELECT * FROM keys")).all())
    random_part = secret.partition(".")[2]
    assert random_part not in str(rows)
    assert random_part not in str(await ledger.decisions())
    stolen = keys_of(database, ledger, new_home(tmp_path / "thief"))
    await stolen.reload()
    with pytest.raises(AuthenticationFailed):
        stolen.verify(secret)


async def test_unknown_and_wrong_cannot_be_told_apart(keys: Keys) -> None:
    key, secret = await keys.create(by=None, name="a")
    gone, gone_secret = await keys.create(by=None, name="b")
    await keys.revoke(gone.id, by=None)
    presented = [
        "",
        "sk-basket-",
        secret[:-1],
        secret + "x",
        secret.removeprefix("sk-basket-"),
        secret.upper(),
        f"sk-basket-{key.id}.",
        f"sk-basket-{key.id}.{'A' * 43}",
        f"sk-basket-{gone.id}.{'A' * 43}",
        f"sk-basket-key_unknown.{'A' * 43}",
        secret.replace(key.id, gone.id),
        "é\udcff\0",
        "x" * 100_000,
    ]
    told = set()
    for each in presented:
        with pytest.raises(AuthenticationFailed) as caught:
            keys.verify(each)
        told.add((type(caught.value), str(caught.value)))
    assert len(told) == 1
    with pytest.raises(KeyRevoked):
        keys.verify(gone_secret)


SQL = [
    "' OR '1'='1",
    "'; DROP TABLE keys; --",
    "sk-basket-' OR 1=1 --.x",
    'sk-basket-" UNION SELECT * FROM keys --.x',
    "sk-basket-%.%",
    "sk-basket-$1.\\",
]


@pytest.mark.parametrize("presented", SQL)
async def test_sql_in_a_key_is_a_wrong_key(keys: Keys, presented: str) -> None:
    key, secret = await keys.create(by=None, name="a")
    with pytest.raises(AuthenticationFailed):
        keys.verify(presented)
    with pytest.raises(NotFound):
        await keys.revoke(presented, by=None)
    await keys.reload()
    assert keys.verify(secret) == key


async def test_sql_in_a_name_is_a_name(keys: Keys) -> None:
    for name in SQL:
        await keys.create(by=None, name=name)
    assert sorted(key.name for key in await keys.list()) == sorted(SQL)


async def test_a_revoked_key_ends_at_once_and_whoever_waits_is_told(
    database: Database, ledger: Ledger, keys: Keys, home: Home
) -> None:
    key, secret = await keys.create(by=None, name="a")
    elsewhere = keys_of(database, ledger, home)
    await elsewhere.reload()
    here_told: list[str] = []
    elsewhere_told: list[str] = []
    keys.on_revoked(here_told.append)
    elsewhere.on_revoked(elsewhere_told.append)

    revoked = await keys.revoke(key.id, by=None)
    assert revoked.revoked_at is not None
    assert here_told == [key.id]
    with pytest.raises(KeyRevoked):
        keys.verify(secret)
    assert keys.active(key.id) is None

    # Another process learns of it when it reloads.
    assert elsewhere.verify(secret) == key
    await elsewhere.reload()
    assert elsewhere_told == [key.id]
    with pytest.raises(KeyRevoked):
        elsewhere.verify(secret)

    assert await keys.revoke(key.id, by=None) == revoked
    assert here_told == [key.id]


async def test_an_expired_key_says_so(database: Database, ledger: Ledger, keys: Keys) -> None:
    key, secret = await keys.create(by=None, name="a", expires_at=from_now(hours=1))
    assert keys.verify(secret) == key

    def grow_old(connection: Connection) -> None:
        moment = {"moment": from_now(seconds=-1)}
        connection.execute(text("UPDATE keys SET expires_at = :moment"), moment)

    await database.write(grow_old)
    await keys.reload()
    with pytest.raises(KeyExpired, match="expired at"):
        keys.verify(secret)
    assert keys.active(key.id) is None


async def test_only_an_administrator_makes_or_ends_keys(keys: Keys) -> None:
    admin, _ = await keys.create(by=None, name="admin", role="admin")
    user, _ = await keys.create(by=admin, name="user")
    promoted = msgspec.structs.replace(user, role="admin")
    for asker in (user, promoted, msgspec.structs.replace(admin, id="key_unknown")):
        with pytest.raises(PermissionDenied):
            await keys.create(by=asker, name="more", role="user")
        with pytest.raises(PermissionDenied):
            await keys.revoke(admin.id, by=asker)
    await keys.revoke(admin.id, by=admin)
    with pytest.raises(PermissionDenied):
        await keys.create(by=admin, name="after the end")
    assert {key.name for key in await keys.list()} == {"admin", "user"}


async def test_a_key_does_not_outlive_its_maker(keys: Keys) -> None:
    tomorrow, next_week = from_now(days=1), from_now(days=7)
    admin, _ = await keys.create(by=None, name="admin", role="admin", expires_at=tomorrow)
    for expires_at in (None, next_week):
        with pytest.raises(PermissionDenied):
            await keys.create(by=admin, name="more", expires_at=expires_at)
    key, _ = await keys.create(by=admin, name="less", budget=100, expires_at=tomorrow)
    assert key.budget == 100


async def test_an_administrator_has_no_budget_to_multiply(keys: Keys) -> None:
    admin, _ = await keys.create(by=None, name="admin", role="admin")
    for by in (None, admin):
        for budget in (0, 100):
            with pytest.raises(InvalidRequest, match="no budget") as caught:
                await keys.create(by=by, name="more", role="admin", budget=budget)
            assert caught.value.param == "budget"
    assert await keys.list() == (admin,)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"role": "root"}, "role"),
        ({"budget": -1}, "budget"),
        ({"budget": 2**63}, "budget"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
async def test_a_wrong_field_is_named(keys: Keys, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await keys.create(by=None, **{"name": "a", **wrong})
    assert caught.value.param == param
    assert await keys.list() == ()


async def test_what_is_done_to_keys_is_in_the_ledger(ledger: Ledger, keys: Keys) -> None:
    admin, _ = await keys.create(by=None, name="admin", role="admin")
    key, _ = await keys.create(by=admin, name="a", budget=1_500_000_000)
    await keys.revoke(key.id, by=admin)
    await keys.revoke(key.id, by=admin)
    told = {
        (each.kind, each.subject, each.detail["by"]) for each in await ledger.decisions(limit=10)
    }
    assert told == {
        ("key_created", admin.id, "operator"),
        ("key_created", key.id, admin.id),
        ("key_revoked", key.id, admin.id),
    }
    [created] = [each for each in await ledger.decisions() if each.detail.get("name") == "a"]
    assert created.detail["budget"] == "1.50 USD"
    assert len(await ledger.decisions(kind="key_revoked")) == 1


async def test_revoking_an_unknown_key_is_not_found(keys: Keys) -> None:
    with pytest.raises(NotFound, match="key_unknown"):
        await keys.revoke("key_unknown", by=None)
    with pytest.raises((NotFound, InvalidRequest)):  # PostgreSQL cannot even ask for it
        await keys.revoke("key_\0", by=None)


def test_a_key_shown_to_people_has_no_secret_in_it() -> None:
    assert "hmac" not in Key.__struct_fields__
    assert "secret" not in Key.__struct_fields__


async def test_a_key_keeps_its_class_and_its_project(
    database: Database, ledger: Ledger, keys: Keys, home: Home
) -> None:
    plain, _ = await keys.create(by=None, name="a")
    assert (plain.data_class, plain.project) == ("public", None)
    key, secret = await keys.create(by=None, name="b", data_class="Confidential", project="payroll")
    assert (key.data_class, key.project) == ("confidential", "payroll")
    later = keys_of(database, ledger, home)
    await later.reload()
    assert later.verify(secret) == key
    detail = (await ledger.decisions())[0].detail
    assert {"data_class": "confidential", "project": "payroll"}.items() <= detail.items()


@pytest.mark.parametrize(
    ("given", "param"),
    [({"data_class": "top secret"}, "data_class"), ({"project": "unknown"}, "project")],
)
async def test_an_unknown_class_or_project_makes_no_key(
    keys: Keys, given: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await keys.create(by=None, name="a", **given)
    assert caught.value.param == param
    assert await keys.list() == ()


async def test_an_administrators_key_makes_none_that_is_held_to_less(keys: Keys) -> None:
    maker, _ = await keys.create(
        by=None, name="m", role="admin", data_class="confidential", project="payroll"
    )
    held_to_less: list[dict[str, Any]] = [
        {"project": "payroll"},
        {"data_class": "secret"},
        {"data_class": "confidential"},
    ]
    for given in held_to_less:
        with pytest.raises(PermissionDenied):
            await keys.create(by=maker, name="n", **given)
    made, _ = await keys.create(by=maker, name="n", data_class="secret", project="payroll")
    assert made.data_class == "secret"
