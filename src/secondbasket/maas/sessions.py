"""Console sessions: a browser that showed a key once, and may act for it a while.

The cookie's secret is 256 random bits, and the database holds only its HMAC.
The CSRF token is another HMAC of it: whoever lacks the cookie cannot know it.
A new pepper ends all sessions: people log in again.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection, delete, insert, select

from secondbasket.core.clock import now, timestamp
from secondbasket.core.key import Key
from secondbasket.maas.keys import Keys
from secondbasket.stores import schema
from secondbasket.stores.database import Database
from secondbasket.stores.peppers import Peppers


class Session(msgspec.Struct, frozen=True):
    """A session and the key it acts for, as that key stands now."""

    key: Key
    csrf_token: str
    expires_at: str


class Sessions:
    """The sessions of all browsers; they outlive a restart of the server."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        *,
        peppers: Peppers,
        lifetime: timedelta = timedelta(hours=12),
    ) -> None:
        self._database = database
        self._keys = keys
        self._peppers = peppers
        self._lifetime = lifetime

    async def open(self, key: Key) -> tuple[str, str]:
        """The secret for the cookie, and the CSRF token for the session's forms."""
        cookie = secrets.token_urlsafe(32)
        table = schema.sessions
        row = {
            "hmac": self._hmac("cookie", cookie),
            "key_id": key.id,
            "created_at": now(),
            "expires_at": timestamp(datetime.now(UTC) + self._lifetime),
        }

        def add(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.expires_at <= row["created_at"]))
            connection.execute(insert(table), row)

        await self._database.write(add)
        return cookie, self._hmac("csrf", cookie)

    async def find(self, cookie: str) -> Session | None:
        """None when unknown or expired, and when its key was revoked or has expired."""
        table = schema.sessions
        query = select(table).where(
            table.c.hmac == self._hmac("cookie", cookie), table.c.expires_at > now()
        )
        row = await self._database.read(lambda c: c.execute(query).mappings().first())
        key = None if row is None else self._keys.active(row["key_id"])
        if row is None or key is None:
            return None
        return Session(key, self._hmac("csrf", cookie), row["expires_at"])

    async def close(self, cookie: str) -> None:
        """End a session; an unknown one is none."""
        table = schema.sessions
        ended = delete(table).where(table.c.hmac == self._hmac("cookie", cookie))
        await self._database.write(lambda c: c.execute(ended))

    def _hmac(self, purpose: str, cookie: str) -> str:
        message = f"{purpose}:{cookie}".encode(errors="replace")
        return hmac.digest(self._peppers.current.secret, message, "sha256").hex()
