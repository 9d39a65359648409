"""Signatures that anyone with the public key can check: Ed25519 (RFC 8032), keys as PEM files.

A signed document is a JSON object. Its member `document` says what kind it is,
so that no signature holds for something of another kind; its member
`signature` is over the canonical bytes (`core.canonical`) of all the others.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from secondbasket.core.canonical import canonical
from secondbasket.errors import BadSignature, StoreError

_BEGIN = "-----BEGIN PUBLIC KEY-----"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the id of the public key that it is checked with, `value` base64 of 64 bytes."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    key: str
    value: str


class PublicKey:
    """A public key. `id` is made of the key itself: 'sig_' and half of its SHA-256 in hex."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = f"sig_{hashlib.sha256(self.raw).hexdigest()[:32]}"

    @classmethod
    def from_base64(cls, text: str) -> "PublicKey":
        """The key of 32 raw bytes in base64. Raises ValueError."""
        return cls(Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True)))

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        """The PEM text (SubjectPublicKeyInfo) that other programs read too."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def signed(self, content: bytes, signature: Signature) -> bool:
        """Whether the holder of this key signed `content`."""
        if signature.key != self.id:
            return False
        try:
            self._key.verify(base64.b64decode(signature.value, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = PublicKey(key.public_key())

    @classmethod
    def new(cls) -> "Signer":
        """A signer with a key that nobody had before."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, text: bytes) -> "Signer":
        """The signer of a PEM file without a passphrase. Raises StoreError."""
        try:
            key = load_pem_private_key(text, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise _unreadable(exc) from exc
        if not isinstance(key, Ed25519PrivateKey):
            raise _unreadable("it is of another kind")
        return cls(key)

    @property
    def pem(self) -> bytes:
        """The private key as `from_pem` reads it. A secret."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

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
    found = []
    for block in text.split(_BEGIN)[1:]:
        try:
            key = load_pem_public_key(f"{_BEGIN}{block}".encode())
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise BadSignature(f"A public key cannot be read: {exc}.") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise BadSignature("A public key is not of the kind Ed25519.")
        found.append(PublicKey(key))
    if not found:
        raise BadSignature(
            "The file holds no public key.", hint="Write one with: basket ledger key show --pem"
        )
    return found


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


def _unreadable(reason: object) -> StoreError:
    return StoreError(
        f"The ledger's signing key cannot be read: {reason}.",
        hint="Put its file back from a backup, or begin a new key: basket ledger key rotate --lost",
    )
