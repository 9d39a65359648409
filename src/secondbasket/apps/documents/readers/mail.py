"""Mail: its head, its text, and the documents attached to it."""

import io
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import PurePath
from typing import IO

from secondbasket.apps.documents.block import Block
from secondbasket.apps.documents.readers.html import blocks_of
from secondbasket.errors import DocumentError

Read = Callable[[IO[bytes], str], Iterator[Block]]
"""Reads any document, given the suffix of its name."""


def blocks(file: IO[bytes], read: Read) -> Iterator[Block]:
    """`read` is what reads the attachments."""
    message = BytesParser(policy=default).parse(file)
    assert isinstance(message, EmailMessage)
    subject = str(message.get("subject", ""))
    attached = list(message.iter_attachments())
    head = [f"{name}: {message[name]}" for name in ("From", "To", "Cc", "Date") if message[name]]
    names = [name for part in attached if (name := part.get_filename())]
    if names:
        head.append(f"Attachments: {', '.join(names)}")
    yield Block("head", "\n".join([f"Subject: {subject}", *head]), subject)
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = body.get_content()
        if body.get_content_type() == "text/html":
            for each in blocks_of(text):
                yield Block(each.place or "text", each.text, f"{subject} {each.heading}")
        else:
            yield Block("text", text, subject)
    for part in attached:
        yield from _attachment(part, read)


def _attachment(part: EmailMessage, read: Read) -> Iterator[Block]:
    name = part.get_filename() or "without a name"
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return  # a mail in a mail has parts of its own, and is attached as a file by few
    try:
        for each in read(io.BytesIO(content), PurePath(name).suffix.lower()):
            place = ", ".join(filter(None, (f"attachment '{name}'", each.place)))
            yield Block(place, each.text, each.heading or name)
    except DocumentError as exc:
        yield Block(f"attachment '{name}'", f"(Not read. {exc.message})", name)
