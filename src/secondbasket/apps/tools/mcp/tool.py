"""A server's tool as one of ours."""

from collections.abc import Mapping
from typing import Any

from secondbasket.apps.tools.mcp.listing import ForeignTool
from secondbasket.apps.tools.mcp.plan import ToolTable
from secondbasket.apps.tools.mcp.result import outcome_of
from secondbasket.apps.tools.mcp.server import Server
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import (
    OutcomeUnknown,
    SettingsError,
    ToolError,
    ToolFailed,
    ToolRefused,
)
from secondbasket.wires.mcp.tools import CallResult


class McpTool:
    """`foreign` is the tool as it was listed; its effect and its key are the settings' to name.

    Raises SettingsError where those name an argument that the tool does not have.
    """

    def __init__(self, server: Server, foreign: ForeignTool) -> None:
        plan = server.plan
        self._server = server
        self._name = foreign.name
        self._table = plan.of_tool(foreign.name)
        self.facts = ToolFacts(
            name=f"{plan.name}.{foreign.name}",
            description=f"A tool of the server '{plan.name}', which says of it:"
            f" {foreign.description or 'nothing'}",
            parameters=_parameters(plan.name, foreign, self._table),
            effect=self._table.effect,
            data_class=plan.data_class,
            from_outside=True,
            egress=not plan.table.inside,
            takes_key=self._table.key_argument is not None,
            limit_seconds=self._table.limit_seconds or plan.table.limit_seconds,
        )

    async def call(self, call: ToolCall) -> ToolOutcome:
        up_to = self._server.plan.up_to
        if call.data_class > up_to:
            raise ToolRefused(
                f"This task has read {call.data_class.label} data, and the server"
                f" '{self._server.plan.name}' may be sent no more than {up_to.label}.",
                hint="Your operator decides that with up_to in its settings.",
            )
        arguments = dict(call.arguments)
        if self._table.key_argument is not None:
            arguments[self._table.key_argument] = call.key
        token = current_traffic.set(Traffic(data_class=call.data_class))
        try:
            tool = await self._server.unchanged(self._name)
            result = await self._server.call(tool, arguments)
        except OutcomeUnknown as exc:
            if self.facts.effect == "read":
                raise ToolFailed(exc.message, hint=exc.hint) from exc
            raise
        finally:
            current_traffic.reset(token)
        return self._outcome(result)

    async def reconcile(self, call: ToolCall) -> ToolOutcome | NeverHappened | None:
        """By the status tool that the settings name; without one nobody can know."""
        status = self._table.status
        if status is None:
            return NeverHappened() if self.facts.effect == "read" else None
        try:
            tool = await self._server.unchanged(status.tool)
            result = await self._server.call(tool, {status.argument: call.key})
        except ToolError:
            return None
        if result.is_error or result.result_type != "complete":
            return None
        outcome = outcome_of(result, self.facts.data_class)
        return NeverHappened() if status.absent.lower() in outcome.text.lower() else outcome

    def _outcome(self, result: CallResult) -> ToolOutcome:
        outcome = outcome_of(result, self.facts.data_class)
        if result.result_type != "complete":
            raise self._doubtful("The tool asks for more than it was given.")
        if not result.is_error:
            return outcome
        told = f"The tool says that it failed: {outcome.text}"
        if self.facts.effect == "read":
            raise ToolFailed(told)
        # That it did nothing is only what it says: whoever reads this is not to rely on it.
        return ToolOutcome(
            text=f"{told}\n(It may have acted all the same.)",
            data=outcome.data,
            data_class=outcome.data_class,
            from_outside=True,
        )

    def _doubtful(self, told: str) -> ToolFailed | OutcomeUnknown:
        return ToolFailed(told) if self.facts.effect == "read" else OutcomeUnknown(told)


def _parameters(server: str, foreign: ForeignTool, table: ToolTable) -> Mapping[str, Any]:
    """What a model is to fill in: all but the key, which is ours."""
    key = table.key_argument
    if key is None:
        return foreign.parameters
    properties = dict(foreign.parameters.get("properties", {}))
    if key not in properties:
        raise SettingsError(
            f"tools.mcp.servers.{server}.tools.{foreign.name}.key_argument is '{key}',"
            " which is no argument of that tool.",
            hint=f"Its arguments are: {', '.join(sorted(properties)) or 'none'}.",
        )
    del properties[key]
    required = [name for name in foreign.parameters.get("required", ()) if name != key]
    return {**foreign.parameters, "properties": properties, "required": required}
