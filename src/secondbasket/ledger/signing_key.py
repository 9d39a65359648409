"""The private key that signs for this home, in a file of its secrets."""

from pathlib import Path

from secondbasket.errors import StoreError
from secondbasket.ledger.signing import Signer
from secondbasket.stores.home import write_private


class SigningKey:
    """The key in `file` (PEM, mode 0600), drawn the first time that something is signed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._signer: Signer | None = None

    def signer(self) -> Signer:
        """Who signs now. Raises StoreError for a file that cannot be read or written."""
        if self._signer is None:
            try:
                if not self.file.exists():
                    write_private(self.file, Signer.new().pem)
                self._signer = Signer.from_pem(self.file.read_bytes())
            except OSError as exc:
                raise StoreError(
                    f"The ledger's signing key {self.file} cannot be used: {exc.strerror}.",
                    hint="Mend its permissions, or the disk under it.",
                ) from exc
        return self._signer
