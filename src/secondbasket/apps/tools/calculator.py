"""A calculator: models guess at sums, this does not."""

from collections.abc import Sequence

import msgspec

from secondbasket.apps.tools.arithmetic import (
    FUNCTIONS,
    LONGEST,
    BadExpression,
    work_out,
    written,
)
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.options import read_options
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import ToolFailed


class CalculatorOptions(msgspec.Struct, frozen=True):
    """``[tools.calculator]``: there is nothing to set."""


class Calculator:
    """`calculator`: one expression, worked out exactly."""

    facts = ToolFacts(
        name="calculator",
        description="Work out an arithmetic expression exactly, such as '19% of (1200 - 33.50)'"
        f" or 'round(mean(3, 4, 7), 2)'. Functions: {', '.join(FUNCTIONS)}."
        f" At most {LONGEST} characters.",
        parameters={
            "type": "object",
            "properties": {
                "expression": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Numbers as 1234.56 with + - * / // % ^ ( ) and functions.",
                }
            },
            "required": ["expression"],
            "additionalProperties": False,
        },
        effect="read",
        limit_seconds=5.0,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        expression = call.arguments["expression"]
        try:
            value = work_out(expression)
        except BadExpression as exc:
            raise ToolFailed(exc.message, hint=exc.hint) from exc
        result = written(value)
        return ToolOutcome(
            text=f"{expression.strip()} = {result}",
            data={"result": result, "exact": value.exact},
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


def create(ground: ToolGround) -> Sequence[Tool]:
    """The family. Raises SettingsError."""
    read_options("calculator", ground.settings, CalculatorOptions)
    return (Calculator(),)
