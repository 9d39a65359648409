import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from secondbasket.core.canonical import canonical
from secondbasket.errors import BadSignature, StoreError
from secondbasket.ledger.signing import (
    PublicKey,
    Signature,
    Signer,
    check_document,
    document_digest,
    read_public_keys,
)

KIND = "secondbasket.test"

# RFC 8032, 7.1, test 3.
RFC_8032_SEED = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
RFC_8032_PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
RFC_8032_SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_signatures_are_those_of_rfc_8032() -> None:
    signer = Signer(bytes.fromhex(RFC_8032_SEED))
    assert signer.public_key.raw.hex() == RFC_8032_PUBLIC
    signature = signer.sign(bytes.fromhex("af82"))
    assert base64.b64decode(signature.value).hex() == RFC_8032_SIGNATURE


def test_a_signature_is_of_one_content_and_one_key() -> None:
    signer, other = Signer.new(), Signer.new()
    signature = signer.sign(b"content")
    assert signer.public_key.signed(b"content", signature)
    assert not signer.public_key.signed(b"Content", signature)
    assert not other.public_key.signed(b"content", signature)
    posing = Signature(key=other.key_id, value=signature.value)
    assert not other.public_key.signed(b"content", posing)
    assert not signer.public_key.signed(b"content", Signature(key=signer.key_id, value="§"))


def test_keys_come_back_from_their_texts() -> None:
    signer, other = Signer.new(), Signer.new()
    again = Signer.from_pem(signer.pem)
    assert again.key_id == signer.key_id
    both = f"ours:\n{signer.public_key.pem}\n{other.public_key.pem}"
    assert [key.id for key in read_public_keys(both)] == [signer.key_id, other.key_id]
    assert PublicKey.from_base64(signer.public_key.base64).id == signer.key_id


@pytest.mark.parametrize(
    "text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        read_public_keys(text)


def test_keys_of_another_kind_are_refused() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(StoreError, match="another kind"):
        Signer.from_pem(private)
    with pytest.raises(BadSignature, match="Ed25519"):
        read_public_keys(public.decode())
    with pytest.raises(StoreError, match="cannot be read"):
        Signer.from_pem(b"garbage")


def test_a_signed_document_holds_until_a_byte_of_it_changes() -> None:
    signer = Signer.new()
    document = {"cuts": ["law:US"], "answered_percent": 99.5, "nested": {"b": None, "a": 1}}
    signed = signer.sign_document(KIND, document)
    content, key = check_document(KIND, signed, [Signer.new().public_key, signer.public_key])
    assert content == document
    assert key.id == signer.key_id
    for changed in (
        signed | {"answered_percent": 100.0},
        signed | {"more": 1},
        {name: value for name, value in signed.items() if name != "cuts"},
    ):
        with pytest.raises(BadSignature, match="not of this document"):
            check_document(KIND, changed, [signer.public_key])
        assert document_digest(changed) != document_digest(signed)


@pytest.mark.parametrize(
    "change",
    [
        {"signature": None},
        {"signature": {"algorithm": "none", "key": "", "value": ""}},
        {"document": "secondbasket.other"},
    ],
)
def test_unsigned_and_other_documents_are_refused(change: dict[str, Any]) -> None:
    signer = Signer.new()
    signed = signer.sign_document(KIND, {"a": 1}) | change
    with pytest.raises(BadSignature):
        check_document(KIND, signed, [signer.public_key])


def test_an_unknown_key_is_named() -> None:
    signer = Signer.new()
    signed = signer.sign_document(KIND, {"a": 1})
    with pytest.raises(BadSignature, match=signer.key_id):
        check_document(KIND, signed, [Signer.new().public_key])


def test_a_document_does_not_bring_its_own_signature() -> None:
    with pytest.raises(ValueError, match="signature"):
        Signer.new().sign_document(KIND, {"signature": "mine"})


def test_other_programs_read_our_keys_and_we_read_theirs() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signer = Signer.new()
    theirs = serialization.load_pem_private_key(signer.pem, password=None)
    assert isinstance(theirs, Ed25519PrivateKey)
    assert theirs.public_key().public_bytes_raw() == signer.public_key.raw
    private = theirs.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = theirs.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert private == signer.pem
    assert public.decode() == signer.public_key.pem
    locked = theirs.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    with pytest.raises(StoreError, match="without a passphrase"):
        Signer.from_pem(locked)


def test_a_server_signs_without_the_library_in_its_own_process(tmp_path: Path) -> None:
    """Whoever imports all that the server does has not loaded it."""
    code = "import sys, secondbasket.app, secondbasket.server.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "secondbasket.ledger.notary" in loaded
    assert not [name for name in loaded if name.startswith("cryptography")]


def test_openssl_checks_a_document_without_us(tmp_path: Path) -> None:
    signer = Signer.new()
    signed = signer.sign_document(KIND, {"é": [1.5, "\u0007"]})
    value = signed.pop("signature")["value"]
    (tmp_path / "key.pem").write_text(signer.public_key.pem)
    (tmp_path / "content").write_bytes(canonical(signed))
    (tmp_path / "signature").write_bytes(base64.b64decode(value))
    files = {"-inkey": "key.pem", "-in": "content", "-sigfile": "signature"}
    told = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin"]
        + [part for option, name in files.items() for part in (option, str(tmp_path / name))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Verified Successfully" in told.stdout
