"""Signatures that anyone with the public key can check: Ed25519 (RFC 8032), keys as PEM files.

A signed document is a JSON object. Its member `document` says what kind it is,
so that no signature holds for something of another kind; its member
`signature` is over the canonical bytes (`core.canonical`) of all the others.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from secondbasket.core.canonical import canonical
from secondbasket.errors import BadSignature, StoreError

# What stands before the 32 bytes of a key in its DER form (RFC 8410).
_PUBLIC = bytes.fromhex("302a300506032b6570032100")
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
_LENGTH = 32


def _ed25519() -> Any:
    # 9 MB that a server does without: it signs in a process of its own, and verifies nothing.
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - as said

    return ed25519


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the id of the public key that it is checked with, `value` base64 of 64 bytes."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    key: str
    value: str


class PublicKey:
    """A public key, 32 bytes. `id` is made of them: 'sig_' and half of their SHA-256 in hex.

    Raises ValueError for another number of bytes.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _LENGTH:
            raise ValueError(f"a public key has {_LENGTH} bytes, not {len(raw)}")
        self.raw = raw
        self.id = f"sig_{hashlib.sha256(raw).hexdigest()[:32]}"

    @classmethod
    def from_base64(cls, text: str) -> "PublicKey":
        """The key of raw bytes in base64. Raises ValueError."""
        return cls(base64.b64decode(text, validate=True))

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        """The PEM text (SubjectPublicKeyInfo) that other programs read too."""
        return _pem("PUBLIC KEY", _PUBLIC + self.raw)

    def signed(self, content: bytes, signature: Signature) -> bool:
        """Whether the holder of this key signed `content`."""
        if signature.key != self.id:
            return False
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see _ed25519

        try:
            key = _ed25519().Ed25519PublicKey.from_public_bytes(self.raw)
            key.verify(base64.b64decode(signature.value, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs with one private key, whose 32 bytes are `seed`. A secret."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key = _ed25519().Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def new(cls) -> "Signer":
        """A signer with a key that nobody had before."""
        return cls(secrets.token_bytes(_LENGTH))

    @classmethod
    def from_pem(cls, text: bytes) -> "Signer":
        """The signer of a PEM file without a passphrase. Raises StoreError."""
        try:
            [der] = _ders("PRIVATE KEY", text.decode("ascii"))
        except ValueError as exc:
            raise _unreadable("it is not one PEM block without a passphrase") from exc
        if not der.startswith(_PRIVATE) or len(der) != len(_PRIVATE) + _LENGTH:
            raise _unreadable("it is of another kind")
        return cls(der[len(_PRIVATE) :])

    @property
    def pem(self) -> bytes:
        """The private key (PKCS #8) as `from_pem` reads it."""
        return _pem("PRIVATE KEY", _PRIVATE + self._seed).encode("ascii")

    @property
    def key_id(self) -> str:
        return self.public_key.id

    def sign(self, content: bytes) -> Signature:
        value = base64.b64encode(self._key.sign(content)).decode()
        return Signature(key=self.key_id, value=value)

    def sign_document(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """`document` with the members `document` (its kind) and `signature`.

        Raises ValueError for one that has them already, or holds what JSON cannot.
        """
        if taken := {"document", "signature"} & document.keys():
            raise ValueError(f"the document has {', '.join(sorted(taken))} of its own")
        content = {**document, "document": kind}
        signature = self.sign(canonical(content))
        return {**content, "signature": msgspec.to_builtins(signature)}


def read_public_keys(text: str) -> list[PublicKey]:
    """Every public key of a PEM file, at least one. Raises BadSignature."""
    try:
        ders = _ders("PUBLIC KEY", text)
    except ValueError as exc:
        raise BadSignature(f"A public key cannot be read: {exc}.") from exc
    if not ders:
        raise BadSignature(
            "The file holds no public key.", hint="Write one with: basket ledger key show --pem"
        )
    for der in ders:
        if not der.startswith(_PUBLIC) or len(der) != len(_PUBLIC) + _LENGTH:
            raise BadSignature("A public key is not of the kind Ed25519.")
    return [PublicKey(der[len(_PUBLIC) :]) for der in ders]


def check_document(
    kind: str, document: Mapping[str, Any], keys: Iterable[PublicKey]
) -> tuple[dict[str, Any], PublicKey]:
    """What was signed (without `document` and `signature`), and the one of `keys` that did.

    Raises BadSignature for a document of another kind, changed after it was
    signed, or signed with none of `keys`.
    """
    content = dict(document)
    try:
        signature = msgspec.convert(content.pop("signature", None), Signature)
    except msgspec.ValidationError as exc:
        raise BadSignature(f"The document has no usable signature: {exc}.") from exc
    if content.get("document") != kind:
        raise BadSignature(f"The document is not of the kind '{kind}'.")
    for key in keys:
        if key.id == signature.key:
            if not key.signed(canonical(content), signature):
                raise BadSignature(
                    f"The signature is not of this document: it was changed after {key.id} signed"
                    " it, or was never signed with that key."
                )
            del content["document"]
            return content, key
    raise BadSignature(
        f"The document is signed with the key {signature.key[:64]}, which is not known.",
        hint="Give that key's public key, if it is one that you trust.",
    )


def document_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a document's canonical bytes, its signature included."""
    return hashlib.sha256(canonical(document)).hexdigest()


def _pem(label: str, der: bytes) -> str:
    # At most 48 bytes here: one line of base64.
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"


def _ders(label: str, text: str) -> list[bytes]:
    """What stands in the PEM blocks of one kind (RFC 7468). Raises ValueError."""
    blocks = re.findall(f"-----BEGIN {label}-----(.*?)-----END {label}-----", text, re.DOTALL)
    return [base64.b64decode("".join(block.split()), validate=True) for block in blocks]


def _unreadable(reason: object) -> StoreError:
    return StoreError(
        f"The ledger's signing key cannot be read: {reason}.",
        hint="Put its file back from a backup, or begin a new key: basket ledger key rotate --lost",
    )
