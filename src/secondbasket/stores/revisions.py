"""Which schema a database has, and which there are: known without loading what changes one."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def known() -> list[str]:
    """Every revision of this version, oldest first: '0003' is in ``r0003_….py``."""
    return sorted(path.name[1:5] for path in _VERSIONS.glob("r[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """The database's revision as it tells it itself; None where it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
