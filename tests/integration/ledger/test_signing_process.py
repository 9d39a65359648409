"""Signing in a process of its own, as the server does."""

import stat
from pathlib import Path

import pytest

from secondbasket.errors import StoreError
from secondbasket.ledger.signing import check_document
from secondbasket.ledger.signing_key import SigningKey
from secondbasket.ledger.signing_process import SigningProcess

pytestmark = pytest.mark.anyio

KIND = "secondbasket.test"


async def test_it_draws_the_key_once_and_signs_with_it(tmp_path: Path) -> None:
    file = tmp_path / "signing.pem"
    signs = SigningProcess(file)
    await signs.draw()
    key = SigningKey(file).public_key()
    assert key is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = {"text": "é\u2028\x00", "number": 0.1}
    signed = await signs.sign(KIND, document)
    assert check_document(KIND, signed, [key])[0] == document
    await signs.draw()
    assert SigningKey(file).signer().key_id == key.id


async def test_what_goes_wrong_there_is_told_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "signing.pem"
    signs = SigningProcess(file)
    await signs.draw()
    file.unlink()
    with pytest.raises(StoreError, match="is gone") as caught:
        await signs.sign(KIND, {})
    assert "--lost" in caught.value.hint
    file.write_bytes(b"no key")
    with pytest.raises(StoreError, match="cannot be read"):
        await signs.sign(KIND, {})
    monkeypatch.setattr("secondbasket.ledger.signing_process._MODULE", "secondbasket.nothing")
    with pytest.raises(StoreError, match=r"No module named secondbasket\.nothing"):
        await signs.draw()
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(StoreError, match="No such file"):
        await signs.draw()


async def test_a_process_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondbasket.ledger.signing_process._SECONDS", 0.01)
    with pytest.raises(StoreError, match="took longer"):
        await SigningProcess(tmp_path / "signing.pem").draw()
