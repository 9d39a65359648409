"""The peppers of a home: secrets that the keys' HMACs are made under, so that a stolen database
opens nothing.

``secrets/pepper`` is the one that new keys get. One that was rotated out stays
beside it, as ``pepper-<id>``, for as long as live keys were made under it.
"""

import hashlib
import secrets
from pathlib import Path

import msgspec

from secondbasket.errors import StoreError
from secondbasket.stores.home import Home, write_private

_NAME = "pepper"


class Pepper(msgspec.Struct, frozen=True):
    """32 random bytes. `id` is made of them, and tells nothing about them."""

    id: str
    secret: bytes

    @classmethod
    def of(cls, secret: bytes) -> "Pepper":
        digest = hashlib.sha256(b"secondbasket pepper\n" + secret).hexdigest()
        return cls(f"pep_{digest[:16]}", secret)


class Peppers:
    """All peppers of `home`. `drawn` says that there was none and one was drawn just now.

    Raises StoreError for files that cannot be read, written or removed.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = home.secrets / _NAME
        self._older: dict[str, tuple[Path, bytes]] = {}
        try:
            self.drawn = not self._file.exists()
            self.current = Pepper.of(home.secret(_NAME))
            for path in sorted(home.secrets.glob(f"{_NAME}-*")):
                secret = path.read_bytes()
                self._older[Pepper.of(secret).id] = (path, secret)
        except OSError as exc:
            raise _unusable(exc) from exc

    @property
    def older(self) -> tuple[str, ...]:
        """The ids of those that were rotated out and are still here."""
        return tuple(self._older)

    def find(self, pepper_id: str) -> bytes | None:
        """The secret of one pepper; None when it is not here."""
        if pepper_id == self.current.id:
            return self.current.secret
        found = self._older.get(pepper_id)
        return None if found is None else found[1]

    def rotate(self) -> Pepper:
        """A new current pepper; the one before it stays for the keys that were made under it."""
        before = self.current
        kept = self._home.secrets / f"{_NAME}-{before.id}"
        drawn = Pepper.of(secrets.token_bytes(32))
        try:
            write_private(kept, before.secret)
            write_private(self._file, drawn.secret)
        except OSError as exc:
            raise _unusable(exc) from exc
        self._older[before.id] = (kept, before.secret)
        self.current = drawn
        return drawn

    def drop(self, pepper_id: str) -> None:
        """Remove an older pepper; what was made under it can never be checked again."""
        path, _ = self._older.pop(pepper_id)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise _unusable(exc) from exc


def _unusable(exc: OSError) -> StoreError:
    return StoreError(
        f"The pepper {exc.filename} cannot be used: {exc.strerror}.",
        hint="Mend its permissions, or the disk under it.",
    )
