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


def test_a_lost_private_key_is_noticed_and_not_replaced(tmp_path: Path) -> None:
    key = SigningKey(tmp_path / "signing.pem")
    assert key.public_key() is None
    drawn = key.signer().public_key
    assert (tmp_path / "signing.pub").read_text() == drawn.pem
    key.file.unlink()
    lost = SigningKey(key.file)
    with pytest.raises(StoreError, match=f"{drawn.id} is gone"):
        lost.signer()
    assert lost.public_key() is not None
    assert not key.file.exists()


def test_a_public_half_that_is_missing_or_another_is_mended(tmp_path: Path) -> None:
    key = SigningKey(tmp_path / "signing.pem")
    signer = key.signer()
    for damage in (key.public_file.unlink, lambda: key.public_file.write_text("another's")):
        damage()
        SigningKey(key.file).signer()
        found = key.public_key()
        assert found is not None
        assert found.id == signer.key_id


def test_the_successor_signs_once_it_is_adopted(tmp_path: Path) -> None:
    key = SigningKey(tmp_path / "signing.pem")
    first = key.signer()
    staged = key.stage()
    assert key.signer() is first
    again = SigningKey(key.file)
    found = again.staged()
    assert found is not None
    assert found.key_id == staged.key_id
    again.adopt()
    assert again.signer().key_id == staged.key_id
    assert again.staged() is None
    assert again.public_file.read_text() == staged.public_key.pem
    again.stage()
    again.drop()
    assert again.staged() is None
    assert SigningKey(key.file).signer().key_id == staged.key_id
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
