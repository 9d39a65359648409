"""The private key that signs for this home, in a file of its secrets, its public half beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from secondbasket.errors import BadSignature, StoreError
from secondbasket.ledger.signing import PublicKey, Signer, read_public_keys
from secondbasket.stores.home import write_private


class Signs(Protocol):
    """Whoever signs for the ledger: the key itself, or a process that has it."""

    async def draw(self) -> None: ...

    async def sign(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]: ...


class SigningKey:
    """The key in `file` (PEM, mode 0600), drawn the first time that something is signed.

    The public half is kept as ``.pub``, so that a lost private key is noticed
    and not silently replaced; the successor, until the ledger knows of it, as
    ``.next``. Whatever of these cannot be read or written raises StoreError.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.public_file = file.with_suffix(".pub")
        self._next_file = file.with_suffix(".next")
        self._signer: Signer | None = None

    def signer(self) -> Signer:
        """Who signs now. Raises StoreError, also where the private key is gone."""
        if self._signer is None:
            try:
                if not self.file.exists():
                    self._draw()
                self._signer = self._read()
            except OSError as exc:
                raise self._unusable(exc) from exc
        return self._signer

    def public_key(self) -> PublicKey | None:
        """The public half, also of a private key that is gone; None where it is not kept yet."""
        try:
            return read_public_keys(self.public_file.read_text(encoding="ascii"))[0]
        except (FileNotFoundError, BadSignature):
            return None
        except OSError as exc:
            raise self._unusable(exc) from exc

    async def draw(self) -> None:
        """See that the key is there, its public half beside it."""
        self.signer()

    async def sign(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """`document` as a signed one of `kind`. Raises StoreError."""
        return self.signer().sign_document(kind, document)

    def stage(self) -> Signer:
        """Draw the successor; it signs nothing until `adopt`."""
        signer = Signer.new()
        try:
            write_private(self._next_file, signer.pem)
        except OSError as exc:
            raise self._unusable(exc) from exc
        return signer

    def staged(self) -> Signer | None:
        """The successor that was drawn and neither adopted nor dropped."""
        try:
            return Signer.from_pem(self._next_file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._unusable(exc) from exc

    def adopt(self) -> None:
        """Let the successor sign from now on."""
        try:
            self._next_file.replace(self.file)
            self._signer = self._read()
        except OSError as exc:
            raise self._unusable(exc) from exc

    def drop(self) -> None:
        """Forget the successor."""
        self._next_file.unlink(missing_ok=True)

    def _draw(self) -> None:
        lost = self.public_key()
        if lost is not None:
            raise StoreError(
                f"The ledger's signing key {lost.id} is gone: {self.file} is missing.",
                hint="Put the file back from a backup, or begin a new key: basket ledger key"
                " rotate --lost",
            )
        write_private(self.file, Signer.new().pem)

    def _read(self) -> Signer:
        signer = Signer.from_pem(self.file.read_bytes())
        public = signer.public_key.pem.encode("ascii")
        if not self.public_file.exists() or self.public_file.read_bytes() != public:
            write_private(self.public_file, public)
        return signer

    def _unusable(self, exc: OSError) -> StoreError:
        return StoreError(
            f"The ledger's signing key {self.file} cannot be used: {exc.strerror}.",
            hint="Mend its permissions, or the disk under it.",
        )
