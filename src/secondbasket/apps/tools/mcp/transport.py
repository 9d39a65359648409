"""What a road to a server offers, whichever it is."""

from collections.abc import Mapping
from typing import Protocol

from secondbasket.errors import ToolFailed
from secondbasket.wires.mcp.messages import Message

MOST_MESSAGE_BYTES = 4 * 1024 * 1024
"""The longest message that is read, and the most memory that one answer costs."""

MOST_STRAY_MESSAGES = 10_000
"""Messages that nobody waits for between two answers; a server that sends more is cut off."""


class Forgotten(ToolFailed):
    """The other end has forgotten us, and read no further: greet it, and ask again."""


class Transport(Protocol):
    """A road to one server. Raises ToolFailed where nothing was sent, else OutcomeUnknown."""

    @property
    def epoch(self) -> int:
        """Grows whenever the other end has forgotten us, and the handshake is due again."""
        ...

    async def open(self) -> None:
        """See that there is somebody to ask."""
        ...

    async def ask(self, request: Message, headers: Mapping[str, str]) -> Message:
        """The answer to `request`. `headers` are for a road that has any."""
        ...

    async def tell(self, note: Message, headers: Mapping[str, str]) -> None:
        """Send what is not answered."""
        ...

    async def aclose(self) -> None: ...
