"""The family: the operations of every API that the settings name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from secondbasket.apps.tools.ground import ToolGround
from secondbasket.apps.tools.openapi.document import read_document
from secondbasket.apps.tools.openapi.operation import find_operation
from secondbasket.apps.tools.openapi.plan import ApiPlan, read_plans
from secondbasket.apps.tools.openapi.tool import OpenApiTool
from secondbasket.core.ports import Tool
from secondbasket.errors import InvalidRequest, SettingsError


def create(ground: ToolGround) -> Sequence[Tool]:
    """The operations of ``[tools.openapi]``. Raises SettingsError for one that cannot be a tool."""
    plans = read_plans(ground.settings, ground.environment)
    return [tool for plan in plans for tool in _tools(plan, ground)]


def _tools(plan: ApiPlan, ground: ToolGround) -> Iterator[OpenApiTool]:
    document = read_document(plan.place, Path(plan.table.spec))
    ours = [plan.table.key_header, plan.credential.header if plan.credential else None]
    barred = frozenset(each.lower() for each in ours if each is not None)
    session = ground.session(f"tools of {plan.name}", plan.table.base_url)
    names: set[str] = set()
    for wanted in plan.table.operations:
        try:
            operation = find_operation(document, wanted, barred)
        except InvalidRequest as exc:
            raise SettingsError(
                f"{plan.place}.operations: '{wanted}' cannot be a tool. {exc.message}",
                hint="Take it out of the list, or mend the file that describes it.",
            ) from exc
        if operation.name in names or not operation.name:
            raise SettingsError(f"{plan.place}.operations: '{wanted}' has no name of its own.")
        names.add(operation.name)
        yield OpenApiTool(plan, operation, session)
