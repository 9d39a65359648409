"""Both databases for tests: an SQLite file, and a real PostgreSQL server of this test run's own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection

from secondbasket.core.clock import now
from secondbasket.core.ids import new_id
from secondbasket.core.receipt import Receipt
from secondbasket.stores.database import Database
from secondbasket.stores.migrate import configuration


def _programs() -> Path:
    """The folder of PostgreSQL's server programs, newest first where there are several."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(installed, key=lambda path: int(path.parts[-3]))
    assert newest, "PostgreSQL is missing. Type: sudo apt-get install -y postgresql"
    return newest[-1].parent


def _owner() -> str | None:
    """PostgreSQL refuses to run as root: who runs it then."""
    if os.getuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """The socket folder of a PostgreSQL server that listens nowhere else; role 'basket'."""
    programs, owner = _programs(), _owner()
    folder = Path(tempfile.mkdtemp(prefix="sb-pg-"))
    data = folder / "data"
    if owner is not None:
        shutil.chown(folder, owner)
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "basket", "-A", "trust", "-E", "UTF8", "--no-sync"],
        user=owner,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(f"--{setting}" for setting in settings)],
            user=owner,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        ready = [str(programs / "pg_isready"), "--host", str(folder), "--quiet"]
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield folder
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind."""
    return new_database_url(request.param, tmp_path, request)


def new_database_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of one kind; an SQLite file lies in `folder`."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'basket.db'}"
    socket: Path = request.getfixturevalue("postgres_socket")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(
        f"host={socket} user=basket dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://basket@/{name}?host={socket}"


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """A database with this version's tables."""
    database = Database(database_url)
    await database.migrate()
    yield database
    database.close()


def migrate_to(revision: str, connection: Connection) -> None:
    """Bring an empty database to an earlier version's schema."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def receipt(**fields: Any) -> Receipt:
    """A receipt of a plain call; `fields` are what matters to the test."""
    plain: dict[str, Any] = {
        "request_id": new_id("req"),
        "created_at": now(),
        "operation": "chat",
        "key_id": "key_1",
        "key_name": "ci",
        "basket": "smollm2-135m-instruct",
        "upstream": "local",
        "model": "smollm2-135m-instruct",
        "digest": "sha256:" + "b1" * 32,
        "engine": "llamacpp",
        "chip": "cpu",
        "provider": "local",
        "law": "local",
        "outcome": "completed",
        "input_tokens": 31,
        "output_tokens": 12,
        "cached_input_tokens": 4,
        "cost": 5_000,
        "currency": "USD",
        "duration_ms": 154.25,
        "first_token_ms": 20.5,
        "bytes_sent": 412,
        "bytes_received": 9_000,
        "streamed": True,
    }
    return Receipt(**plain | fields)
