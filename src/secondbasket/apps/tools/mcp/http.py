"""A server behind a URL, spoken to over streamable HTTP: one POST a message, through the door."""

from collections.abc import Mapping
from contextlib import suppress

import aiohttp
import anyio
from yarl import URL

from secondbasket.apps.tools.credential import Credential
from secondbasket.apps.tools.exchange import asked, read
from secondbasket.apps.tools.mcp.transport import (
    MOST_MESSAGE_BYTES,
    MOST_STRAY_MESSAGES,
    Forgotten,
)
from secondbasket.egress import Session
from secondbasket.errors import OutcomeUnknown, ToolError, ToolFailed, UpstreamBroken
from secondbasket.wires.mcp.messages import Message, RpcFailure, decode, encode
from secondbasket.wires.mcp.versions import SESSION_HEADER
from secondbasket.wires.sse import EventDecoder

_MOST_STREAM_BYTES = 16 * 1024 * 1024
_LONGEST_SESSION = 256
_LEAVE_SECONDS = 2.0
_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
}


class HttpTransport:
    """`session` reaches the origin of `url` only, and follows no redirect."""

    def __init__(
        self, name: str, url: str, *, session: Session, credential: Credential | None
    ) -> None:
        self._whom = f"The server '{name}'"
        self._url = URL(url)
        self._session = session
        self._credential = credential
        self._number: str | None = None
        self._epoch = 1

    @property
    def epoch(self) -> int:
        return self._epoch

    async def open(self) -> None:
        """Nothing to do: each message is a connection of its own."""

    async def ask(self, request: Message, headers: Mapping[str, str]) -> Message:
        number = None if request.method == "initialize" else self._number
        async with asked(
            self._session,
            "POST",
            self._url,
            headers=self._headers(headers, number),
            body=encode(request),
            whom=self._whom,
        ) as reply:
            if reply.status == 404 and number is not None:
                # By the protocol: it has forgotten the session, and read no further.
                self._forget(number)
                raise Forgotten(f"{self._whom} has forgotten us.", hint="Ask again.")
            if reply.content_type == "text/event-stream" and reply.status == 200:
                answer = await self._from_stream(reply, request)
            else:
                answer = await self._from_body(reply)
            if request.method == "initialize":
                self._keep(reply.headers.get(SESSION_HEADER))
            return answer

    async def tell(self, note: Message, headers: Mapping[str, str]) -> None:
        async with asked(
            self._session,
            "POST",
            self._url,
            headers=self._headers(headers, self._number),
            body=encode(note),
            whom=self._whom,
        ):
            return

    async def aclose(self) -> None:
        """Take leave, where the other end keeps something for us. The session is the door's."""
        number, self._number = self._number, None
        if number is None or self._session.closed:
            return
        with anyio.move_on_after(_LEAVE_SECONDS), suppress(ToolError):
            async with asked(
                self._session,
                "DELETE",
                self._url,
                headers=self._headers({}, number),
                body=None,
                whom=self._whom,
            ):
                return

    def _headers(self, more: Mapping[str, str], number: str | None) -> dict[str, str]:
        kept = {SESSION_HEADER: number} if number is not None else {}
        known = self._credential.headers if self._credential else {}
        return {**more, **_HEADERS, **kept, **known}

    def _keep(self, number: str | None) -> None:
        told = number or ""
        usable = 0 < len(told) <= _LONGEST_SESSION and told.isascii() and told.isprintable()
        self._number = told if usable else None

    def _forget(self, number: str) -> None:
        if self._number == number:
            self._number = None
            self._epoch += 1

    async def _from_body(self, reply: aiohttp.ClientResponse) -> Message:
        body = await read(reply, MOST_MESSAGE_BYTES)
        if body.cut:
            raise OutcomeUnknown(
                f"{self._whom} answered with more than {MOST_MESSAGE_BYTES} bytes."
            )
        message = self._decoded(body.content)
        if message is not None and message.answers:
            return message
        if reply.status in (401, 403):
            raise ToolFailed(
                f"{self._whom} does not let us in ({reply.status}).",
                hint="Your operator can check the key that the settings name for it.",
            )
        if 400 <= reply.status < 500 and reply.status != 408:
            raise ToolFailed(f"{self._whom} refuses what it was sent ({reply.status}).")
        raise OutcomeUnknown(f"{self._whom} answered {reply.status}, and no message.")

    async def _from_stream(self, reply: aiohttp.ClientResponse, request: Message) -> Message:
        events = EventDecoder()
        size = strays = 0
        while block := await reply.content.readany():
            size += len(block)
            if size > _MOST_STREAM_BYTES:
                raise OutcomeUnknown(f"{self._whom} sent a stream without an end.")
            try:
                whole = events.feed(block)
            except UpstreamBroken as exc:
                raise OutcomeUnknown(f"{self._whom} sent an endless event.") from exc
            for data in whole:
                message = self._decoded(data)
                if message is not None and message.answers and message.id == request.id:
                    return message
                strays += 1
                if strays > MOST_STRAY_MESSAGES:
                    raise OutcomeUnknown(f"{self._whom} talks without being asked.")
        raise OutcomeUnknown(f"{self._whom} ended its stream without an answer.")

    def _decoded(self, data: bytes) -> Message | None:
        if len(data) > MOST_MESSAGE_BYTES:
            raise OutcomeUnknown(
                f"{self._whom} answered with more than {MOST_MESSAGE_BYTES} bytes."
            )
        try:
            return decode(self._credential.without(data) if self._credential else data)
        except RpcFailure:
            return None
