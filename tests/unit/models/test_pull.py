"""From a coordinate to an installed model, and everything that must not become one."""

import hashlib
from pathlib import Path
from typing import ClassVar

import anyio
import msgspec
import pytest

from secondbasket.core.model import ModelRecord
from secondbasket.core.ports import Fetched, FetchedFile, PullProgress, Report
from secondbasket.errors import (
    BadModelFile,
    Conflict,
    DigestMismatch,
    InvalidRequest,
    ModelNotFound,
    SourceUnavailable,
)
from secondbasket.models.catalogue import CatalogueEntry
from secondbasket.models.pull import Puller
from secondbasket.models.registry import Registry
from secondbasket.models.sources.file import FileSource
from secondbasket.models.store import Store
from tests.tiny_gguf import tiny_gguf
from tests.unit.models.sources.conftest import names_in

pytestmark = pytest.mark.anyio
GGUF = tiny_gguf()


def entry(name: str, sources: tuple[str, ...], files: dict[str, str]) -> CatalogueEntry:
    return CatalogueEntry(
        name=name,
        task="chat",
        format="gguf",
        sources=sources,
        files=files,
        size=len(GGUF),
        licence="Apache-2.0",
        parameters=256,
        active_parameters=256,
        layers=1,
        kv_heads=1,
        head_size=1,
        context_tokens=512,
        description="tiny",
    )


class House:
    """A puller over a folder of originals, with what it installs at hand."""

    def __init__(self, folder: Path) -> None:
        self.originals = folder / "originals"
        self.originals.mkdir()
        self.store = Store(folder / "models")
        self.registry = Registry(folder / "models" / "manifests")
        self.catalogue: dict[str, CatalogueEntry] = {}
        self.puller = Puller(
            store=self.store,
            registry=self.registry,
            catalogue=self.catalogue,
            sources={"file": FileSource()},
        )

    def original(self, name: str, content: bytes) -> str:
        """Put a file there; returns its coordinate."""
        path = self.originals / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return f"file:{path}"

    def nothing_is_left(self) -> bool:
        partial, blobs = self.store.folder / "partial", self.store.folder / "blobs"
        return not list(partial.iterdir()) and not list(blobs.iterdir())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_a_file_becomes_a_model(house: House) -> None:
    coordinate = house.original("Tiny-Q4.gguf", GGUF)
    told: list[PullProgress] = []
    record = await house.puller.pull(coordinate, report=told.append)
    assert record.name == "tiny-q4"
    assert (record.task, record.format, record.licence) == ("chat", "gguf", "unknown")
    assert record.source == coordinate
    assert record.shape is not None
    assert record.shape.architecture == "llama"
    template = hashlib.sha256(b"{{ messages }}").hexdigest()
    assert record.provenance["chat_template_sha256"] == template
    assert record.provenance["sources"] == [{"path": coordinate.removeprefix("file:")}]
    assert house.registry.get("tiny-q4") == record
    for file in record.files:
        house.store.verify(file)
    assert [progress.stage for progress in told][-1] == "done"
    assert not list((house.store.folder / "partial").iterdir())


async def test_a_second_pull_fetches_nothing(house: House) -> None:
    coordinate = house.original("tiny.gguf", GGUF)
    first = await house.puller.pull(coordinate)
    (house.originals / "tiny.gguf").unlink()
    assert await house.puller.pull(coordinate) == first


async def test_two_pulls_at_once_make_one_model(house: House) -> None:
    coordinate = house.original("tiny.gguf", GGUF)
    records: list[ModelRecord] = []

    async def pull() -> None:
        records.append(await house.puller.pull(coordinate))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(pull)
    assert len({msgspec.json.encode(record) for record in records}) == 1


async def test_the_catalogue_is_held_against_what_arrives(house: House) -> None:
    coordinate = house.original("tiny.gguf", GGUF)
    promised = {"tiny.gguf": hashlib.sha256(GGUF).hexdigest()}
    house.catalogue["tiny"] = entry("tiny", (coordinate,), promised)
    record = await house.puller.pull("tiny")
    assert (record.name, record.licence) == ("tiny", "Apache-2.0")

    house.catalogue["other"] = entry("other", (coordinate,), {"tiny.gguf": "0" * 64})
    with pytest.raises(DigestMismatch, match=r"tiny\.gguf has sha256"):
        await house.puller.pull("other")
    house.catalogue["more"] = entry("more", (coordinate,), promised | {"tokenizer.json": "0" * 64})
    with pytest.raises(DigestMismatch, match="promises"):
        await house.puller.pull("more")
    assert [record.name for record in house.registry.list()] == ["tiny"]


async def test_nobodys_model_is_overwritten(house: House) -> None:
    """Threat 12. The conflict is told before anything is fetched."""
    mine = await house.puller.pull(house.original("mine.gguf", GGUF), name="assistant")
    other = house.original("other.gguf", tiny_gguf(template="evil"))
    told: list[PullProgress] = []
    with pytest.raises(Conflict, match="already names"):
        await house.puller.pull(other, name="assistant", report=told.append)
    assert told == []
    assert house.registry.get("assistant") == mine
    replaced = await house.puller.pull(other, name="assistant", replace=True)
    assert house.registry.get("assistant") == replaced
    assert replaced.digest != mine.digest


async def test_a_name_derived_from_a_file_overwrites_nothing_either(house: House) -> None:
    mine = await house.puller.pull(house.original("tiny.gguf", GGUF))
    with pytest.raises(Conflict):
        await house.puller.pull(house.original("a/tiny.gguf", tiny_gguf(template="evil")))
    assert house.registry.get("tiny") == mine


@pytest.mark.parametrize("name", ["../../up", "a/b", "", "UPPER"])
async def test_no_name_leads_elsewhere(house: House, name: str) -> None:
    """Threat 15."""
    with pytest.raises(InvalidRequest):
        await house.puller.pull(house.original("tiny.gguf", GGUF), name=name)
    assert house.nothing_is_left()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.gguf", GGUF[:-100], "its tensors end at"),
        ("model.gguf", GGUF[:40], "model.gguf"),
        ("model.gguf", b"", "model.gguf"),
        ("model.bin", b"\x80\x04\x95weights", "pickle"),
        ("model.gguf", b"\x80\x04\x95weights", "pickle"),
        ("pytorch_model.pt", b"PK\x03\x04" + bytes(64), "archive"),
        ("modeling.py", b"import os; os.system('id')", "modeling.py"),
    ],
)
async def test_what_is_no_safe_model_is_refused_and_leaves_nothing(
    house: House, name: str, content: bytes, message: str
) -> None:
    """Threats 16 and 18."""
    with pytest.raises(BadModelFile, match=message):
        await house.puller.pull(house.original(name, content), name="evil")
    assert house.registry.list() == ()
    assert house.nothing_is_left()


@pytest.mark.parametrize(
    ("beside", "content", "message"),
    [
        ("config.json", b'{"auto_map": {"AutoModel": "evil.Model"}}', "auto_map"),
        ("config.json", b"[1]", "not a JSON object"),
        ("evil.py", b"import os", "evil.py"),
        ("second.gguf", GGUF, "one file of weights; here are 2"),
    ],
)
async def test_beside_its_weights_a_model_is_plain_text(
    house: House, beside: str, content: bytes, message: str
) -> None:
    house.original("folder/model.gguf", GGUF)
    house.original(f"folder/{beside}", content)
    with pytest.raises(BadModelFile, match=message):
        await house.puller.pull(f"file:{house.originals / 'folder'}", name="evil")
    assert house.registry.list() == ()


async def test_a_folder_of_plain_files_is_a_model(house: House) -> None:
    house.original("folder/model.gguf", GGUF)
    house.original("folder/config.json", b'{"model_type": "llama"}')
    record = await house.puller.pull(f"file:{house.originals / 'folder'}", name="plain")
    assert [file.name for file in record.files] == ["config.json", "model.gguf"]
    assert record.digest == "sha256:" + hashlib.sha256(GGUF).hexdigest()


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("tinny", "Did you mean 'tiny'?"), ("ftp:x/y", "coordinates start with file:")],
)
async def test_an_unknown_wish_is_told_what_there_is(house: House, wanted: str, hint: str) -> None:
    house.catalogue["tiny"] = entry("tiny", ("file:/x",), {})
    with pytest.raises(ModelNotFound) as caught:
        await house.puller.pull(wanted)
    assert hint in caught.value.hint


async def test_what_a_broken_fetch_left_is_there_for_the_next(house: House) -> None:
    class Breaking:
        scheme = "slow"
        seen: ClassVar[list[list[str]]] = []

        async def fetch(self, coordinate: str, into: Path, report: Report) -> Fetched:
            self.seen.append(names_in(into))
            if len(self.seen) == 1:
                (into / "tiny.gguf.part").write_bytes(GGUF[:100])
                raise SourceUnavailable("gone")
            (into / "tiny.gguf").write_bytes(GGUF)
            return Fetched((FetchedFile("tiny.gguf", into / "tiny.gguf"),), {})

    source = Breaking()
    puller = Puller(
        store=house.store, registry=house.registry, catalogue={}, sources={"slow": source}
    )
    with pytest.raises(SourceUnavailable):
        await puller.pull("slow:tiny")
    await puller.pull("slow:tiny")
    assert source.seen == [[], ["tiny.gguf.part"]]
