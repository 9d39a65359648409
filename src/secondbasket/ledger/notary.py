"""The notary: has heads of the chain signed, and sees that the chain knows the key that signs.

A head is made where the chain has grown since the last one. It is kept in the
database and, where there is one, appended to a file that may lie on another
host; who else wants it is told.
"""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
from sqlalchemy import Connection, insert, select

from secondbasket.core.canonical import canonical
from secondbasket.core.clock import now
from secondbasket.core.decision import Decision
from secondbasket.core.head import Head
from secondbasket.core.ids import new_id
from secondbasket.errors import BasketError, Conflict, StoreError
from secondbasket.ledger.chain import NOTHING
from secondbasket.ledger.head import KIND
from secondbasket.ledger.key_history import (
    ANNOUNCED,
    DOCUMENT,
    Announcement,
    announce,
    next_key,
    read_announcement,
)
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing import PublicKey
from secondbasket.ledger.signing_key import SigningKey, Signs
from secondbasket.stores.database import Database
from secondbasket.stores.schema import chain_tail, decisions, tree_heads

_log = logging.getLogger(__name__)

SignedHead = dict[str, Any]


class Notary:
    """Has one ledger signed with `key`: by `signs` where that is given, else in this process.

    `file` gets each head as a line of JSON; it may be a folder, which then
    holds one such file for each ledger. `newest` is the newest head that was
    made here. Empty while all is well: `failure` says why no head is made,
    `file_failure` why it is not in the file, `damage` what was found changed
    behind the ledger's back.
    """

    def __init__(
        self,
        ledger: Ledger,
        database: Database,
        key: SigningKey,
        *,
        signs: Signs | None = None,
        file: Path | None = None,
    ) -> None:
        self.key = key
        self.newest: Head | None = None
        self.failure = ""
        self.file_failure = ""
        self.damage = ""
        self._ledger = ledger
        self._database = database
        self._signs: Signs = key if signs is None else signs
        self._file = file
        self._lock = anyio.Lock()
        self._made: SignedHead | None = None
        self._announced = ""
        self._told: list[Callable[[SignedHead], None]] = []

    def on_head(self, callback: Callable[[SignedHead], None]) -> None:
        """Have `callback` told each new head."""
        self._told.append(callback)

    async def run(self, interval_seconds: float) -> None:
        """Make a head at once and again and again until cancelled."""
        while True:
            await self.try_to_make()
            await anyio.sleep(interval_seconds)

    async def try_to_make(self) -> None:
        """`make`, whose failure is kept in `failure`, for people to be told."""
        try:
            await self.make()
        except BasketError as exc:
            self.failure = str(exc)
            _log.error("no head of the ledger was signed: %s", exc)
        else:
            self.failure = ""

    async def make(self) -> SignedHead:
        """The head of all that was recorded before this call, signed now or already.

        Raises StoreError, also where the signing key is gone.
        """
        async with self._lock:
            return await self._make(await self._signing_key())

    async def sign(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """`document` signed with a key that the ledger announces. Raises StoreError."""
        async with self._lock:
            await self._signing_key()
            return await self._signs.sign(kind, document)

    async def current(self) -> PublicKey:
        """The key that signs now, or would, were it not gone. Raises StoreError."""
        async with self._lock:
            return self.key.public_key() or await self._signing_key()

    async def keys(self) -> list[Announcement]:
        """The keys that the ledger announces, the first one first."""
        await self._ledger.fold()
        return await self._database.read(_announcements)

    async def rotate(self, *, lost: bool = False) -> PublicKey:
        """Sign with a new key from now on, which the old one announces.

        `lost`: the old key is gone, so nobody signs the announcement. Raises
        Conflict when it is there after all; StoreError.
        """
        async with self._lock:
            if lost:
                after = await self._lost_key()
            else:
                before = await self._signing_key()
                after = before.id
                await self._make(before)  # the last head that the old key signs covers its time
            key = self.key.stage().public_key
            signed = None if lost else await self._signs.sign(DOCUMENT, next_key(key))
            self._ledger.record_decision(announce(key, after=after, signed=signed))
            await self._ledger.fold()
            self.key.adopt()
            await self._make(await self._signing_key())
            return key

    async def _lost_key(self) -> str:
        if self.key.file.exists():
            raise Conflict(
                f"The signing key is there: {self.key.file}.",
                hint="Leave out --lost: the old key then announces the new one.",
            )
        lost = self.key.public_key()
        if lost is not None:
            return lost.id
        known = await self.keys()
        return known[-1].key.id if known else ""

    async def _signing_key(self) -> PublicKey:
        """The key that signs now, announced by an entry of the chain."""
        await self._settle()
        key = self.key.public_key()
        if key is None or not self.key.file.exists():
            await self._signs.draw()
            key = self.key.public_key()
        if key is None:
            raise StoreError(
                f"The ledger's signing key has no public half: {self.key.public_file}.",
                hint="Mend its permissions, or the disk under it.",
            )
        if self._announced != key.id:
            known = await self.keys()
            if key.id not in {each.key.id for each in known}:
                after = known[-1].key.id if known else ""
                if after:
                    _log.warning("the signing key is new, and %s did not sign for it", after)
                self._ledger.record_decision(announce(key, after=after, signed=None))
                await self._ledger.fold()
            self._announced = key.id
        return key

    async def _settle(self) -> None:
        """A rotation that a crash broke off is finished, if the chain knows of it, or forgotten."""
        staged = self.key.staged()
        if staged is None:
            return
        if staged.key_id in {each.key.id for each in await self.keys()}:
            self.key.adopt()
        else:
            self.key.drop()

    async def _make(self, key: PublicKey) -> SignedHead:
        await self._ledger.fold()
        head = await self._database.read(_head_now)
        made, newest = self._made, self.newest
        if made is not None and newest is not None and _says_the_same(newest, head):
            if made["signature"]["key"] == key.id:
                return made
        else:
            await self._look_back()
        document = await self._signs.sign(KIND, msgspec.to_builtins(head))
        text = canonical(document)
        row = {"id": new_id("head"), "size": head.size, "at": head.at, "document": text.decode()}
        await self._database.write(lambda c: c.execute(insert(tree_heads), row))
        await anyio.to_thread.run_sync(self._append, head.ledger, text)
        self._made, self.newest = document, head
        for callback in self._told:
            callback(document)
        return document

    async def _look_back(self) -> None:
        """Does the chain still hold what was signed here last?"""
        signed = self.newest
        if signed is None or self.damage:
            return
        if await self._database.read(partial(_hash_at, signed.size)) != signed.hash:
            self.damage = f"entry {signed.size} is not the one that was signed at {signed.at}"
            _log.error("the ledger was changed behind our back: %s", self.damage)
            self._ledger.record_decision(
                Decision(kind="ledger_changed", subject=f"entry {signed.size}", outcome="found")
            )
            await self._ledger.fold()

    def _append(self, ledger: str, text: bytes) -> None:
        """A head that could not be written is still in the database; the next one covers more."""
        if self._file is None:
            return
        file = self._file / f"heads-{ledger}.jsonl" if self._file.is_dir() else self._file
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, text + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.file_failure = ""
        except OSError as exc:
            self.file_failure = f"{exc.strerror} ({file})"
            _log.error("a head of the ledger could not be appended: %s", self.file_failure)


def _announcements(connection: Connection) -> list[Announcement]:
    query = (
        select(decisions.c.sequence, decisions.c.at, decisions.c.subject, decisions.c.detail)
        .where(decisions.c.kind == ANNOUNCED)
        .order_by(decisions.c.sequence)
    )
    found = []
    for row in connection.execute(query).mappings():
        with suppress(ValueError, TypeError):  # `basket ledger verify` tells of those
            found.append(read_announcement(**row))
    return found


def _hash_at(size: int, connection: Connection) -> str | None:
    return connection.scalar(select(decisions.c.hash).where(decisions.c.sequence == size))


def _says_the_same(one: Head, other: Head) -> bool:
    return (one.ledger, one.size, one.hash) == (other.ledger, other.size, other.hash)


def _head_now(connection: Connection) -> Head:
    first = select(decisions.c.subject).where(decisions.c.sequence == 1)
    tail = connection.execute(select(chain_tail.c.sequence, chain_tail.c.hash)).first()
    if tail is None or tail.hash == NOTHING:
        raise StoreError(
            "The ledger's chain has no end that could be signed.",
            hint="`basket ledger verify` says what is wrong with it.",
        )
    return Head(ledger=connection.scalar(first) or "", size=tail.sequence, hash=tail.hash, at=now())
