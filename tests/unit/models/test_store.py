"""The content-addressed store: atomic, honest about what it holds, tidy."""

import hashlib
from pathlib import Path

import pytest

from secondbasket.core.model import ModelFile
from secondbasket.errors import BadModelFile, DigestMismatch
from secondbasket.models.store import Store, sha256_of

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def stored(store: Store, content: bytes = CONTENT) -> ModelFile:
    path = store.partial("somewhere") / "w.gguf"
    path.write_bytes(content)
    return store.put(path, "w.gguf", sha256_of(path))


def test_a_file_is_stored_under_its_sha256_and_read_only(store: Store) -> None:
    file = stored(store)
    assert file == ModelFile("w.gguf", SHA256, len(CONTENT))
    path = store.path_of(SHA256)
    assert path.name == f"sha256-{SHA256}"
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.holds(file)
    store.verify(file)


def test_hashing_tells_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(9 * 1024 * 1024))
    told: list[int] = []
    sha256_of(path, told.append)
    assert told == [4 << 20, 8 << 20, 9 << 20]


def test_verify_names_the_flipped_file(store: Store) -> None:
    file = stored(store)
    path = store.path_of(file.sha256)
    path.chmod(0o644)
    with path.open("r+b") as blob:
        blob.seek(500)
        blob.write(b"!")
    with pytest.raises(DigestMismatch, match=r"w\.gguf is damaged"):
        store.verify(file)


def test_verify_names_the_missing_file(store: Store) -> None:
    file = stored(store)
    store.delete(file.sha256)
    assert not store.holds(file)
    with pytest.raises(DigestMismatch, match=r"w\.gguf is missing"):
        store.verify(file)


def test_storing_the_same_content_again_mends_a_damaged_blob(store: Store) -> None:
    file = stored(store)
    path = store.path_of(file.sha256)
    path.chmod(0o644)
    path.write_bytes(b"short")
    assert not store.holds(file)
    stored(store)
    store.verify(file)


def test_only_a_sha256_leads_to_a_blob(store: Store) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "/"):
        with pytest.raises(BadModelFile):
            store.path_of(name)


def test_a_deleted_blob_is_gone_and_deleting_it_again_frees_nothing(store: Store) -> None:
    kept = stored(store)
    lost = stored(store, b"other")
    assert store.delete(lost.sha256) == lost.size
    assert store.holds(kept)
    assert not store.path_of(lost.sha256).exists()
    assert store.delete(lost.sha256) == 0


def test_partial_folders_are_found_again_by_their_key_until_discarded(store: Store) -> None:
    folder = store.partial("hf:a/b/c.gguf")
    (folder / "c.gguf.part").write_bytes(b"half")
    assert store.partial("hf:a/b/c.gguf") == folder
    assert store.partial("hf:a/b/d.gguf") != folder
    store.discard_partial("hf:a/b/c.gguf")
    assert not folder.exists()
