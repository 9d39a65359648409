"""Every bound of GGUF, each broken once in an otherwise good file; then the real file, mauled."""

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondbasket.core.model import ModelShape
from secondbasket.errors import BadModelFile
from secondbasket.models.headers.gguf import read_gguf
from tests.conftest import Weights

U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10
Q4_1 = 3
MOST_MEMORY = 64 << 20
SMOLLM2_HEADER = 2 << 20


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return u64(len(data)) + data


def key(name: str | bytes, kind: int, payload: bytes) -> bytes:
    return text(name) + u32(kind) + payload


def array(kind: int, count: int, payload: bytes) -> bytes:
    return u32(kind) + u64(count) + payload


def tensor(
    name: str | bytes = "w", dims: tuple[int, ...] = (32, 2), kind: int = 0, offset: int = 0
) -> bytes:
    return text(name) + u32(len(dims)) + b"".join(map(u64, dims)) + u32(kind) + u64(offset)


ARCHITECTURE = key("general.architecture", STRING, text("llama"))


def gguf(
    *keys: bytes,
    tensors: tuple[bytes, ...] = (tensor(),),
    data: int = 256,
    magic: bytes = b"GGUF",
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    tensor_count, key_count = counts or (len(tensors), len(keys) + 1)
    head = magic + u32(version) + u64(tensor_count) + u64(key_count)
    head += ARCHITECTURE + b"".join(keys) + b"".join(tensors)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(data)


def read(content: bytes, tmp_path: Path) -> ModelShape:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_gguf(path)


def test_what_the_real_file_says(weights: Weights) -> None:
    shape = read_gguf(weights.chat)
    assert shape.architecture == "llama"
    assert shape.parameters == 134_515_008
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_size) == (30, 9, 3, 64)
    assert (shape.embedding_size, shape.context_tokens, shape.vocabulary) == (576, 8192, 49152)
    assert shape.quantisation == "Q4_1"
    assert shape.kv_bytes_per_token() == 2 * 30 * 3 * 64 * 2
    assert shape.chat_template is not None
    assert "{% for message in messages %}" in shape.chat_template


def test_the_template_is_text_and_never_rendered(tmp_path: Path) -> None:
    template = "{{ cycler.__init__.__globals__.os.system('true') }}"
    shape = read(gguf(key("tokenizer.chat_template", STRING, text(template))), tmp_path)
    assert shape.chat_template == template


def test_hybrid_models_count_the_layers_that_keep_a_cache(tmp_path: Path) -> None:
    layers = key("llama.block_count", U32, u32(8))
    heads = key("llama.attention.head_count", U32, u32(4))
    width = key("llama.embedding_length", U32, u32(64))
    per_layer = array(U32, 8, b"".join(map(u32, (0, 0, 0, 2, 0, 0, 0, 2))))
    listed = read(
        gguf(layers, heads, width, key("llama.attention.head_count_kv", ARRAY, per_layer)), tmp_path
    )
    assert (listed.attention_layers, listed.kv_heads) == (2, 2)
    assert listed.kv_bytes_per_token() == 2 * 2 * 2 * 16 * 2
    every = read(
        gguf(layers, heads, width, key("llama.full_attention_interval", U32, u32(4))), tmp_path
    )
    assert every.attention_layers == 2


def test_an_encoder_keeps_no_cache(tmp_path: Path) -> None:
    shape = read(
        gguf(
            key("llama.block_count", U32, u32(6)),
            key("llama.attention.head_count", U32, u32(4)),
            key("llama.embedding_length", U32, u32(64)),
            key("llama.attention.causal", BOOL, b"\0"),
        ),
        tmp_path,
    )
    assert shape.layers == 6
    assert shape.kv_bytes_per_token() == 0


def test_quantisation_without_a_file_type_is_what_most_bytes_have(tmp_path: Path) -> None:
    tensors = (tensor("a", (32,)), tensor("b", (32, 64), Q4_1, offset=128))
    assert read(gguf(tensors=tensors, data=128 + 1280), tmp_path).quantisation == "Q4_1"


LIES = {
    "not GGUF": gguf(magic=b"GGUX"),
    "version 1": gguf(version=1),
    "version 4": gguf(version=4),
    "big-endian": gguf(version=0x03000000),
    "no tensors": gguf(tensors=()),
    "more tensors than there are": gguf(counts=(2, 1)),
    "2^63 tensors": gguf(counts=(1 << 63, 1)),
    "2^63 keys": gguf(counts=(1, 1 << 63)),
    "a key of 2^62 bytes": gguf(u64(1 << 62)),
    "an empty key": gguf(key("", U8, b"\0")),
    "a key twice": gguf(key("a", U8, b"\0"), key("a", U8, b"\0")),
    "a key that is no text": gguf(key(b"\xff\xfe", U8, b"\0")),
    "a text that is no text": gguf(key("tokenizer.chat_template", STRING, text(b"\xff"))),
    "a value of unknown type": gguf(key("a", 13, u64(0))),
    "a text of 2^40 bytes": gguf(key("a", STRING, u64(1 << 40))),
    "a template of 2^40 bytes": gguf(key("tokenizer.chat_template", STRING, u64(1 << 40))),
    "an array in an array": gguf(key("a", ARRAY, array(ARRAY, 1, array(U8, 1, b"\0")))),
    "an array of unknown type": gguf(key("a", ARRAY, array(13, 1, b"\0"))),
    "an array of 2^61 numbers": gguf(key("a", ARRAY, array(U64, 1 << 61, b""))),
    "an array of 2^61 texts": gguf(key("a", ARRAY, array(STRING, 1 << 61, text("x")))),
    "a text in an array of 2^63 bytes": gguf(key("a", ARRAY, array(STRING, 1, u64(1 << 63)))),
    "an empty tensor name": gguf(tensors=(tensor(""),)),
    "a tensor name of 64 bytes": gguf(tensors=(tensor("w" * 64),)),
    "a tensor twice": gguf(tensors=(tensor(), tensor(offset=256)), data=512),
    "no dimensions": gguf(tensors=(tensor(dims=()),)),
    "five dimensions": gguf(tensors=(tensor(dims=(32, 1, 1, 1, 1)),)),
    "2^32 - 1 dimensions": gguf(tensors=(text("w") + u32(0xFFFFFFFF) + u64(1),)),
    "a dimension of nothing": gguf(tensors=(tensor(dims=(32, 0)),)),
    "2^64 values, 0 in 64 bits": gguf(tensors=(tensor(dims=(1 << 32, 1 << 32)),)),
    "2^65 bytes, 64 in 64 bits": gguf(tensors=(tensor(dims=((1 << 63) + 16,)),)),
    "half a block": gguf(tensors=(tensor(dims=(48,), kind=Q4_1),)),
    "a removed tensor type": gguf(tensors=(tensor(kind=4),)),
    "an unknown tensor type": gguf(tensors=(tensor(kind=999),)),
    "a tensor larger than the file": gguf(tensors=(tensor(dims=(1 << 20,)),)),
    "a tensor one value too long": gguf(tensors=(tensor(dims=(65,)),)),
    "a tensor beyond the file": gguf(tensors=(tensor(offset=32),)),
    "a tensor at 2^64 - 32": gguf(tensors=(tensor(offset=(1 << 64) - 32),)),
    "a tensor out of line": gguf(tensors=(tensor(offset=8),), data=512),
    "a tensor on another": gguf(tensors=(tensor(), tensor("v", offset=128)), data=512),
    "alignment 0": gguf(key("general.alignment", U32, u32(0))),
    "alignment 24": gguf(key("general.alignment", U32, u32(24))),
    "alignment 2^31": gguf(key("general.alignment", U32, u32(1 << 31))),
    "alignment 32.0": gguf(key("general.alignment", F32, struct.pack("<f", 32))),
    "layers by the million": gguf(key("llama.block_count", U32, u32(1_000_000))),
    "minus one layer": gguf(key("llama.block_count", I32, struct.pack("<i", -1))),
    "half a layer": gguf(key("llama.block_count", F32, struct.pack("<f", 0.5))),
    "2^60 tokens of context": gguf(key("llama.context_length", U64, u64(1 << 60))),
    "a list of heads with a negative": gguf(
        key("llama.attention.head_count_kv", ARRAY, array(I32, 2, struct.pack("<ii", 1, -1)))
    ),
    "fewer scores than tokens": gguf(
        key("tokenizer.ggml.tokens", ARRAY, array(STRING, 2, text("a") + text("b"))),
        key("tokenizer.ggml.scores", ARRAY, array(F32, 1, u32(0))),
    ),
    "one part of several": gguf(key("split.count", U32, u32(3))),
}


def test_the_builder_makes_good_files(tmp_path: Path) -> None:
    assert read(gguf(), tmp_path).parameters == 64


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str, tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"model\.gguf"):
        read(LIES[lie], tmp_path)


def test_no_architecture(tmp_path: Path) -> None:
    for kind, payload in ((STRING, text("")), (U32, u32(1))):
        content = gguf().replace(ARCHITECTURE, key("general.architecture", kind, payload))
        content += bytes(32)
        with pytest.raises(BadModelFile, match="architecture"):
            read(content, tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = gguf(
        key("tokenizer.ggml.tokens", ARRAY, array(STRING, 2, text("a") + text("b"))),
        key("llama.block_count", U32, u32(1)),
    )
    read(whole, tmp_path)
    for length in range(len(whole)):
        with pytest.raises(BadModelFile):
            read(whole[:length], tmp_path)


@pytest.fixture(scope="module")
def mauled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "mauled.gguf"


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def survives(path: Path) -> None:
    """Reading ends in a shape or in BadModelFile, and takes little memory."""
    tracemalloc.reset_peak()
    with suppress(BadModelFile):
        read_gguf(path)
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY


@pytest.mark.usefixtures("traced")
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    wounds=st.lists(
        st.tuples(
            # Most of the header is vocabulary; what steers a reader stands before and after it.
            st.one_of(st.integers(0, 2000), st.integers(0, SMOLLM2_HEADER - 8)),
            st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8), st.just(bytes(8))),
        ),
        min_size=1,
        max_size=4,
    ),
    cut=st.one_of(st.none(), st.integers(0, SMOLLM2_HEADER)),
)
def test_the_real_header_mauled(
    weights: Weights, mauled: Path, wounds: list[tuple[int, bytes]], cut: int | None
) -> None:
    with weights.chat.open("rb") as real:
        head = bytearray(real.read(SMOLLM2_HEADER))
    for offset, bytes_there in wounds:
        head[offset : offset + len(bytes_there)] = bytes_there
    with mauled.open("wb") as file:
        file.write(head if cut is None else head[:cut])
        if cut is None:
            file.truncate(weights.chat.stat().st_size)
    survives(mauled)


FLOODS: dict[str, Callable[[], bytes]] = {
    "arrays": lambda: gguf(
        *(key(f"a{n}", ARRAY, array(U64, 512, b"\xff" * 4096)) for n in range(1000))
    ),
    "texts": lambda: gguf(*(key(f"k{n}", STRING, text("x" * 30_000)) for n in range(1000))),
    "vocabulary": lambda: gguf(key("tokens", ARRAY, array(STRING, 500_000, bytes(4_000_000)))),
    "tensors": lambda: gguf(
        tensors=tuple(tensor(f"{n:063}", offset=n * 256) for n in range(16_384))
    ),
}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_within_the_limits_stays_within_the_memory(flood: str, mauled: Path) -> None:
    mauled.write_bytes(FLOODS[flood]())
    survives(mauled)
