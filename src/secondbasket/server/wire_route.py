"""What every route of a public wire does: find the key, answer errors in the wire's own form."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from starlette.types import Message, Receive, Scope, Send

from secondbasket.core.ids import new_id
from secondbasket.core.key import Key
from secondbasket.errors import AuthenticationFailed, BasketError, MethodNotAllowed
from secondbasket.server.asgi import JSON, ClientGone, reply

log = logging.getLogger(__name__)


class CallerPorts(Protocol):
    """`verify` raises AuthenticationFailed; `refused` is told the code of every error sent."""

    @property
    def verify(self) -> Callable[[str], Key]: ...

    @property
    def refused(self) -> Callable[[str], None]: ...


class Exchange:
    """One request and its response, as ASGI hands them over."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.begun = False
        self._send = send

    async def send(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


class WireRoute(ABC):
    """One route as an ASGI application. Authorised here, by the route that was matched."""

    method = "POST"

    def __init__(self, callers: CallerPorts) -> None:
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            if scope["method"] != self.method:
                raise MethodNotAllowed(
                    f"{scope['path']} is for {self.method}.", hint=f"Send it as {self.method}."
                )
            await self.answer(self._caller(scope), exchange)
        except ClientGone:
            return
        except BasketError as error:
            await self._fail(error, exchange)
        except Exception:
            # The edge of this call: a number for the caller, the rest for the log.
            reference = new_id("err")
            log.exception("unexpected error %s", reference)
            await self._fail(
                BasketError(
                    f"Something went wrong here; the log knows it as {reference}.",
                    hint="Try again; if it stays, tell your operator this number.",
                ),
                exchange,
            )

    @abstractmethod
    async def answer(self, key: Key, exchange: Exchange) -> None:
        """Answer an authenticated call. A BasketError raised here becomes the wire's error."""

    @abstractmethod
    def presented(self, scope: Scope) -> str | None:
        """The key that came with the request, in the header of this wire."""

    @abstractmethod
    def encode_error(self, error: BasketError) -> bytes:
        """`error` as the wire's body."""

    @abstractmethod
    def encode_failed_stream(self, body: bytes) -> bytes:
        """That body as the last event of a stream."""

    def _caller(self, scope: Scope) -> Key:
        presented = self.presented(scope)
        if presented is None:
            raise AuthenticationFailed(
                "No API key was given.",
                hint="Send 'Authorization: Bearer KEY'; `basket key create --name NAME` makes one.",
            )
        return self._callers.verify(presented)

    async def _fail(self, error: BasketError, exchange: Exchange) -> None:
        self._callers.refused(error.code)
        body = self.encode_error(error)
        if not exchange.begun:
            headers = [JSON]
            if error.status == 401:
                headers.append((b"www-authenticate", b"Bearer"))
            await reply(exchange.send, error.status, body, headers)
            return
        # In mid-stream: say so and do not end cleanly. No end mark and no last block: the server
        # closes the connection under a response that is not complete.
        event = self.encode_failed_stream(body)
        await exchange.send({"type": "http.response.body", "body": event, "more_body": True})
