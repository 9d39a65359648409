"""Server-sent events, both ways (WHATWG HTML, section 9.2), as far as model APIs use them."""

from secondbasket.errors import UpstreamBroken

MAX_EVENT_BYTES = 8 * 1024 * 1024


class EventDecoder:
    """Turns bytes as they arrive into the data of each complete event."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, block: bytes) -> list[bytes]:
        """The data of every event that `block` completes. Raises UpstreamBroken past 8 MiB."""
        buffer = self._buffer + block if self._buffer else block
        if b"\r" in buffer:
            # A block may end between \r and \n: hold the \r back until the next one.
            tail = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(tail)].replace(b"\r\n", b"\n") + tail
        *events, self._buffer = buffer.split(b"\n\n")
        if len(self._buffer) > MAX_EVENT_BYTES:
            raise UpstreamBroken("The upstream sent a stream event of more than 8 MiB.")
        return [data for event in events if (data := _data_of(event))]

    @property
    def pending(self) -> bool:
        """True when the stream ended inside an event."""
        return bool(self._buffer.strip())


def _data_of(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines)


def encode_event(data: bytes) -> bytes:
    """One unnamed event; `data` holds no line break."""
    return b"data: " + data + b"\n\n"


DONE = encode_event(b"[DONE]")
