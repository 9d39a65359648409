"""A valid GGUF file of a given size: one float tensor, a few keys, and nothing to run."""

import struct


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def tiny_gguf(
    *, template: str = "{{ messages }}", architecture: str = "llama", floats: int = 256
) -> bytes:
    """The bytes of the file; `floats` sets its size (4 bytes each), a multiple of 8."""
    keys = {"general.architecture": architecture, "tokenizer.chat_template": template}
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys))
    for key, value in keys.items():
        head += _text(key) + struct.pack("<I", 8) + _text(value)
    head += _text("token_embd.weight") + struct.pack("<IQIQ", 1, floats, 0, 0)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + struct.pack("<f", 0.5) * floats
