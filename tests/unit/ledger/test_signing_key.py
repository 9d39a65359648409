import stat
from pathlib import Path

import pytest

from secondbasket.errors import StoreError
from secondbasket.ledger.signing_key import SigningKey


def test_the_key_is_drawn_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "signing.pem"
    drawn = SigningKey(file)
    assert not file.exists()
    signer = drawn.signer()
    assert drawn.signer() is signer
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SigningKey(file).signer().key_id == signer.key_id


def test_a_file_that_is_no_key_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "signing.pem"
    file.write_bytes(b"half a key")
    with pytest.raises(StoreError, match="cannot be read"):
        SigningKey(file).signer()
    assert file.read_bytes() == b"half a key"
    with pytest.raises(StoreError, match="cannot be used"):
        SigningKey(tmp_path / "missing" / "signing.pem").signer()
