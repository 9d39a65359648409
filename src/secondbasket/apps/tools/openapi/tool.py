"""One operation as one of our tools."""

from collections.abc import Mapping
from typing import Any

import msgspec

from secondbasket.apps.tools.exchange import Body, asked, read
from secondbasket.apps.tools.foreign_text import cleaned, one_line
from secondbasket.apps.tools.openapi.address import address, header_values
from secondbasket.apps.tools.openapi.operation import Operation
from secondbasket.apps.tools.openapi.plan import ApiPlan
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.egress import Session
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import OutcomeUnknown, ToolFailed, ToolRefused

_MOST_BYTES = 1024 * 1024
_MOST_TEXT = 60_000
_MOST_DATA_BYTES = 64 * 1024
_WORDS = 500
_UNSURE = frozenset((408, 425))


class OpenApiTool:
    """`session` reaches the API's origin only."""

    def __init__(self, plan: ApiPlan, operation: Operation, session: Session) -> None:
        self._plan = plan
        self._operation = operation
        self._session = session
        effect = plan.table.effects.get(operation.wanted, operation.usual_effect)
        self._key_header = plan.table.key_header if effect != "read" else None
        self.facts = ToolFacts(
            name=f"{plan.name}.{operation.name}",
            description=f"An operation of '{plan.name}', described as:"
            f" {operation.description or 'nothing'}",
            parameters=operation.schema,
            effect=effect,
            data_class=plan.data_class,
            from_outside=True,
            egress=not plan.table.inside,
            takes_key=self._key_header is not None,
            limit_seconds=plan.table.limit_seconds,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        if call.data_class > self._plan.up_to:
            raise ToolRefused(
                f"This task has read {call.data_class.label} data, and '{self._plan.name}' may be"
                f" sent no more than {self._plan.up_to.label}.",
                hint="Your operator decides that with up_to in its settings.",
            )
        token = current_traffic.set(Traffic(data_class=call.data_class))
        try:
            return await self._exchange(call)
        except OutcomeUnknown as exc:
            if self.facts.effect == "read":
                raise ToolFailed(exc.message, hint=exc.hint) from exc
            raise
        finally:
            current_traffic.reset(token)

    async def reconcile(self, call: ToolCall) -> NeverHappened | None:  # noqa: ARG002 - the port's
        """What only reads may be done again; of the rest nobody can know."""
        return NeverHappened() if self.facts.effect == "read" else None

    async def _exchange(self, call: ToolCall) -> ToolOutcome:
        operation = self._operation
        whom = f"'{self._plan.name}'"
        url = address(self._plan.base, operation, call.arguments)
        async with asked(
            self._session,
            operation.method,
            url,
            headers=self._headers(call),
            body=self._body(call.arguments),
            whom=whom,
        ) as reply:
            kind = reply.content_type
            body = await read(reply, _MOST_BYTES)
            status = reply.status
        if self._plan.credential is not None:
            body = Body(self._plan.credential.without(body.content), body.cut)
        if status < 300:
            return self._outcome(status, kind, body)
        told = f"{whom} answers {status}: {one_line(_text(kind, body), _WORDS)}"
        if 400 <= status < 500 and status not in _UNSURE:
            raise ToolFailed(told)
        raise OutcomeUnknown(told, hint="Look there whether it acted.")

    def _headers(self, call: ToolCall) -> dict[str, str]:
        headers = header_values(self._operation, call.arguments)
        headers["Accept"] = "application/json, text/*;q=0.8"
        if self._key_header is not None:
            headers[self._key_header] = call.key
        if self._plan.credential is not None:
            headers.update(self._plan.credential.headers)
        return headers

    def _body(self, arguments: Mapping[str, Any]) -> bytes | None:
        argument = self._operation.body
        if argument is None or argument not in arguments:
            return None
        return msgspec.json.encode(arguments[argument])

    def _outcome(self, status: int, kind: str, body: Body) -> ToolOutcome:
        told = _text(kind, body)
        text = cleaned(told, _MOST_TEXT) or f"(It answered {status}, and no more.)"
        if body.cut or len(told) > _MOST_TEXT:
            text += "\n[cut: there is more]"
        return ToolOutcome(
            text=text,
            data=_data(kind, body),
            data_class=self._plan.data_class,
            from_outside=True,
        )


def _text(kind: str, body: Body) -> str:
    if not body.content:
        return ""
    if kind.startswith("text/") or kind.endswith(("json", "xml", "yaml")):
        return body.content.decode(errors="replace")
    return f"[{one_line(kind, 60)} of {len(body.content)} bytes, left out]"


def _data(kind: str, body: Body) -> Any:
    if body.cut or len(body.content) > _MOST_DATA_BYTES or not kind.endswith("json"):
        return None
    try:
        return msgspec.json.decode(body.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
