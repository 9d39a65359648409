"""Images and documents in a message: chat-completions parts ↔ blocks of the Messages wire."""

import re
from collections.abc import Mapping
from typing import Any

from secondbasket.core.chat import MediaPart
from secondbasket.errors import InvalidRequest, UnsupportedField

_DATA = re.compile(r"data:(?P<type>[a-z]+/[a-z0-9.+-]+);base64,(?P<data>[A-Za-z0-9+/=_-]*)")
_PDF = "application/pdf"


def encode_media(part: MediaPart) -> dict[str, Any]:
    """The block of a part. Raises UnsupportedField for what the wire has no block for."""
    if part.kind == "image_url":
        given = part.payload.get("image_url")
        url = given.get("url") if isinstance(given, Mapping) else given
        source = _source(url) if isinstance(url, str) else None
        if source is not None and source.get("media_type", "image/").startswith("image/"):
            return {"type": "image", "source": source}
    if part.kind == "file":
        given = part.payload.get("file")
        data = given.get("file_data") if isinstance(given, Mapping) else None
        source = _source(data) if isinstance(data, str) else None
        if source is not None and source.get("media_type") == _PDF:
            return {"type": "document", "source": source}
    raise UnsupportedField(
        f"A part of type '{part.kind[:40]}' asks for what this model's provider cannot be asked:"
        " it reads text, images and PDF files that are in the request.",
        hint="Leave it out.",
        param="messages",
    )


def _source(url: str) -> dict[str, str] | None:
    if inline := _DATA.fullmatch(url):
        return {"type": "base64", "media_type": inline["type"], "data": inline["data"]}
    return {"type": "url", "url": url} if url.startswith(("https://", "http://")) else None


def decode_media(block: Mapping[str, Any]) -> MediaPart:
    """The part that an image or document block is. Raises InvalidRequest for another source."""
    kind, source = block.get("type"), block.get("source")
    url = _url(source) if isinstance(source, Mapping) else None
    if kind == "image" and url is not None:
        return MediaPart("image_url", {"type": "image_url", "image_url": {"url": url}})
    if kind == "document" and url is not None and url.startswith(f"data:{_PDF}"):
        return MediaPart(
            "file", {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}
        )
    raise InvalidRequest(
        f"A content block of type '{str(kind)[:40]}' has a source that is not read here.",
        hint="Send images as base64 or url, documents as base64 PDF.",
        param="messages",
    )


def _url(source: Mapping[str, Any]) -> str | None:
    match source:
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return f"data:{kind};base64,{data}"
    return None
