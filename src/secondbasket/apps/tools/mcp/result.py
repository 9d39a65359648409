"""What a call came to, as the outcome that a worker reads."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from secondbasket.apps.tools.foreign_text import cleaned, one_line
from secondbasket.core.data_class import DataClass
from secondbasket.core.tool import ToolOutcome
from secondbasket.wires.mcp.tools import CallResult

_MOST_TEXT = 60_000
_MOST_DATA_BYTES = 64 * 1024
_MOST_BLOCKS = 1000
_NAME = 200


def outcome_of(result: CallResult, data_class: DataClass) -> ToolOutcome:
    """Text as it is, everything else named and left out; marked as from outside."""
    data = result.structured_content
    encoded = msgspec.json.encode(data) if data is not None else b""
    told = "\n".join(_texts(result.content))
    if not told and encoded:
        told = encoded.decode()
    cut = f"\n[cut: {len(told)} characters in all]" if len(told) > _MOST_TEXT else ""
    return ToolOutcome(
        text=cleaned(told, _MOST_TEXT) + cut or "(The tool answered nothing.)",
        data=data if len(encoded) <= _MOST_DATA_BYTES else None,
        data_class=data_class,
        from_outside=True,
    )


def _texts(blocks: list[dict[str, Any]]) -> Iterator[str]:
    for block in blocks[:_MOST_BLOCKS]:
        match block:
            case {"type": "text", "text": str(text)}:
                yield text
            case {"type": "image" | "audio" as kind, "data": str(data)}:
                yield f"[{kind} of about {len(data) * 3 // 4} bytes, left out]"
            case {"type": "resource", "resource": {"text": str(text)}}:
                yield text
            case {"type": "resource", "resource": Mapping() as resource}:
                yield f"[{one_line(str(resource.get('uri')), _NAME)}: not text, left out]"
            case {"type": "resource_link", "uri": str(uri)}:
                yield f"[link to {one_line(uri, _NAME)}]"
            case _:
                yield "[something that is not text, left out]"
    if len(blocks) > _MOST_BLOCKS:
        yield f"[{len(blocks) - _MOST_BLOCKS} more parts, left out]"
