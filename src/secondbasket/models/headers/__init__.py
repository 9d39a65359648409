"""What a weights file says of itself, read so that no byte of it is believed unchecked.

An engine is native code that trusts its input. Everything it will take from a
header (counts, lengths, shapes, offsets) is held against the file's real size
here first, in bounded time and memory, and nothing is ever unpickled or run.
"""

from collections.abc import Callable
from pathlib import Path

from secondbasket.core.model import ModelFormat, ModelShape
from secondbasket.errors import BadModelFile
from secondbasket.models.headers.cursor import Cursor
from secondbasket.models.headers.gguf import read_gguf
from secondbasket.models.headers.onnx import looks_like_onnx, read_onnx
from secondbasket.models.headers.safetensors import looks_like_safetensors, read_safetensors

_READERS: dict[ModelFormat, Callable[[Path], ModelShape]] = {
    "gguf": read_gguf,
    "safetensors": read_safetensors,
    "onnx": read_onnx,
}
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")
_ENOUGH_TO_TELL = 16


def read_header(path: Path, format: ModelFormat) -> ModelShape:  # noqa: A002 - the field's word
    """Check the header of `path` against every bound. Raises BadModelFile."""
    found = detect_format(path)
    if found != format:
        raise BadModelFile(f"{path.name} was announced as {format} and is {found}.")
    return _READERS[format](path)


def detect_format(path: Path) -> ModelFormat:
    """Tell the format by content, whatever the name says. Raises BadModelFile.

    Pickles and archives (which is what torch checkpoints are) are refused: to
    load one is to run the code in it.
    """
    with Cursor(path) as cursor:
        head = cursor.take(min(cursor.size, _ENOUGH_TO_TELL))
        size = cursor.size
    if head.startswith(b"GGUF"):
        return "gguf"
    if head.startswith(_PICKLES):
        raise BadModelFile(
            f"{path.name} is a Python pickle: loading it would run the code inside.",
            hint="Ask for the same model as safetensors or GGUF.",
        )
    if head.startswith(_ARCHIVES):
        raise BadModelFile(
            f"{path.name} is an archive, as torch checkpoints are; they hold pickles.",
            hint="Ask for the same model as safetensors or GGUF.",
        )
    if looks_like_safetensors(head, size):
        return "safetensors"
    if looks_like_onnx(head):
        return "onnx"
    raise BadModelFile(
        f"{path.name} is not a model file: neither GGUF nor safetensors nor ONNX.",
        hint="Check that the download is complete and is no web page or Git LFS pointer.",
    )
