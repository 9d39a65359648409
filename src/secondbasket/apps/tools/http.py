"""HTTP through the outbound door, to the origins that the settings list and to no other.

A redirect is a new request: its origin has to be listed too, and the door
judges its address like any. What a model writes into a URL or a body leaves
the house; headers it cannot choose.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import msgspec
from yarl import URL

from secondbasket.apps.tools.exchange import Body, asked, read
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.options import data_class_of, read_options, refused
from secondbasket.apps.tools.page_text import page_text
from secondbasket.core.data_class import DataClass
from secondbasket.core.ports import Tool
from secondbasket.core.tool import Citation, NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.egress import Session
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import EgressRefused, OutcomeUnknown, ToolFailed, ToolRefused
from secondbasket.policy.destinations import checked_url

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 5
_LONGEST_BODY = 256 * 1024
_LONGEST_TEXT = 48 * 1024
_LONGEST_SECONDS = 600.0
_AFTER_SECONDS = 5.0
_AGENT = {"User-Agent": "secondbasket", "Accept": "text/*, application/json;q=0.9, */*;q=0.1"}
_URL = {"type": "string", "minLength": 1, "description": "The address, percent-encoded."}
_QUERY = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "description": "What is added to the address behind '?'.",
}


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``[tools.http]``. `allow` lists origins ('https://api.example.com'). `data_class` is what
    answers are at least, `up_to` the highest class that a task may hold that calls. `keyed`
    says that every origin does a post once that comes twice under one Idempotency-Key."""

    allow: tuple[str, ...] = ()
    data_class: str = "public"
    up_to: str = "internal"
    keyed: bool = False
    seconds: float = 30.0


class _HttpTool:
    """What both tools share: whom they may ask, and how an answer is read."""

    facts: ToolFacts

    def __init__(self, session: Callable[[], Session], options: HttpOptions) -> None:
        self._session = session
        self._origins = {str(URL(origin).origin()) for origin in options.allow}
        self._up_to = DataClass.parse(options.up_to)
        self._seconds = options.seconds

    def _address(self, call: ToolCall) -> URL:
        """Raises ToolRefused, ToolFailed."""
        if call.data_class > self._up_to:
            raise ToolRefused(
                f"{self.facts.name} may be called up to class {self._up_to.label};"
                f" this task holds {call.data_class.label} data.",
                hint="Do without it, or ask a person.",
            )
        url = self._allowed(call.arguments["url"])
        query = {name: _as_query(value) for name, value in call.arguments.get("query", {}).items()}
        return url.update_query(query) if query else url

    def _allowed(self, text: str) -> URL:
        """Raises ToolFailed where the origin is not listed."""
        try:
            url = checked_url(text)
        except EgressRefused as exc:
            raise ToolFailed(exc.message, hint=exc.hint) from exc
        if str(url.origin()) not in self._origins:
            raise ToolFailed(
                f"{str(url.origin())[:200]} is not among the origins that may be asked.",
                hint=f"They are: {', '.join(sorted(self._origins))}.",
            )
        return url

    @asynccontextmanager
    async def _asked(
        self, call: ToolCall, method: str, url: URL, body: bytes | None = None, **headers: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        token = current_traffic.set(Traffic(data_class=call.data_class))
        try:
            async with asked(
                self._session(),
                method,
                url,
                headers={**_AGENT, **headers},
                body=body,
                whom=str(url.origin()),
            ) as reply:
                yield reply
        finally:
            current_traffic.reset(token)


class Get(_HttpTool):
    """`http.get`."""

    def __init__(self, session: Callable[[], Session], options: HttpOptions) -> None:
        super().__init__(session, options)
        self.facts = _facts(
            "http.get",
            "Get a page or an answer over HTTP. Origins:",
            options,
            properties={"url": _URL, "query": _QUERY},
            effect="read",
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        try:
            with anyio.fail_after(self._seconds):
                return await self._get(call, self._address(call))
        except TimeoutError as exc:
            raise ToolFailed(
                f"It did not answer within {self._seconds:g} s.", hint="Try again later."
            ) from exc

    async def _get(self, call: ToolCall, url: URL) -> ToolOutcome:
        for _ in range(1 + _MOST_REDIRECTS):
            async with self._asked(call, "GET", url) as reply:
                place = reply.headers.get("Location", "")
                if reply.status not in _REDIRECTS or not place:
                    return _outcome(url, reply, await read(reply, _LONGEST_BODY))
            url = self._allowed(_joined(url, place))
        raise ToolFailed(f"It was redirected more than {_MOST_REDIRECTS} times.")

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class Post(_HttpTool):
    """`http.post`. An answer of 5xx says nothing about whether it happened."""

    def __init__(self, session: Callable[[], Session], options: HttpOptions) -> None:
        super().__init__(session, options)
        self.facts = _facts(
            "http.post",
            "Post JSON over HTTP. Origins:",
            options,
            properties={"url": _URL, "query": _QUERY, "body": {"description": "Any JSON value."}},
            effect="external",
            takes_key=options.keyed,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        url = self._address(call)
        body = msgspec.json.encode(call.arguments["body"])
        try:
            with anyio.fail_after(self._seconds):
                async with self._asked(
                    call, "POST", url, body, **{"Idempotency-Key": call.key}
                ) as reply:
                    if reply.status >= 500:
                        raise OutcomeUnknown(
                            f"{url.origin()} answered {reply.status}: it may have acted.",
                            hint="Look there whether it did.",
                        )
                    return _outcome(url, reply, await read(reply, _LONGEST_BODY))
        except TimeoutError as exc:
            raise OutcomeUnknown(
                f"{url.origin()} did not answer within {self._seconds:g} s: it may have acted.",
                hint="Look there whether it did.",
            ) from exc

    async def reconcile(self, call: ToolCall) -> None:
        """Nobody here can know: who is asked may tell the key's second post from its first."""


def create(ground: ToolGround) -> Sequence[Tool]:
    """The family: no tools where no origin is allowed. Raises SettingsError."""
    options = read_options("http", ground.settings, HttpOptions)
    data_class_of("tools.http.data_class", options.data_class)
    data_class_of("tools.http.up_to", options.up_to)
    if not 0 < options.seconds <= _LONGEST_SECONDS:
        raise refused("tools.http.seconds", f"it must be above 0 and at most {_LONGEST_SECONDS:g}")
    for origin in options.allow:
        try:
            url = checked_url(origin)
        except EgressRefused as exc:
            raise refused("tools.http.allow", exc.message.rstrip("."), exc.hint) from exc
        if url != url.origin() and url != url.origin() / "":
            raise refused(
                "tools.http.allow", f"{origin!r} is more than an origin", f"Write {url.origin()}."
            )
    if not options.allow:
        return ()

    def session() -> Session:
        return ground.session("tool http", None)

    return Get(session, options), Post(session, options)


def _facts(
    name: str, description: str, options: HttpOptions, *, properties: dict[str, Any], **more: Any
) -> ToolFacts:
    return ToolFacts(
        name=name,
        description=f"{description} {', '.join(options.allow)}.",
        parameters={
            "type": "object",
            "properties": properties,
            "required": [each for each in properties if each != "query"],
            "additionalProperties": False,
        },
        data_class=DataClass.parse(options.data_class),
        from_outside=True,
        egress=True,
        limit_seconds=options.seconds + _AFTER_SECONDS,
        **more,
    )


def _as_query(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(url: URL, place: str) -> str:
    """Where a Location leads, seen from `url`. Raises ToolFailed."""
    try:
        return str(url.join(URL(place)))
    except ValueError as exc:
        raise ToolFailed(f"{url.origin()} redirects to an address that is none.") from exc


def _outcome(url: URL, reply: aiohttp.ClientResponse, body: Body) -> ToolOutcome:
    kind = reply.content_type
    held = _text(kind, reply, body.content)
    told, place = "", reply.headers.get("Location", "")
    if place:
        told = f"\n[it points to {place[:200]}]"
    if held is None:
        size = f"{len(body.content)} bytes" + " or more" * body.cut
        held, told = "", f"{told}\n[{size} of {kind}, which is no text]"
    elif body.cut or len(held) > _LONGEST_TEXT:
        held, told = held[:_LONGEST_TEXT], f"{told}\n[cut: there is more]"
    return ToolOutcome(
        text=f"[{reply.status} {kind}]\n{held}{told}",
        data={"status": reply.status, "type": kind, "text": held, "cut": "[cut" in told},
        citations=(Citation(source=str(url)),),
    )


def _text(kind: str, reply: aiohttp.ClientResponse, content: bytes) -> str | None:
    """The answer as text, that of a page where it is one; None where it is none."""
    if not kind.startswith("text/") and not kind.endswith(("json", "xml", "x-www-form-urlencoded")):
        return None if content else ""
    try:
        text = content.decode(reply.charset or "utf-8", errors="replace")
    except LookupError:
        text = content.decode(errors="replace")
    return page_text(text) if kind in ("text/html", "application/xhtml+xml") else text
