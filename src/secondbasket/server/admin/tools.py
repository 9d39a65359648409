"""What workers can do."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.tool import ToolFacts
from secondbasket.server.admin.door import route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import ToolRow


def tool_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def tools(_request: Request) -> Sequence[ToolRow]:
        return [_row(facts) for facts in ports.tools()]

    return [route("GET", "/admin/tools", tools)]


def _row(facts: ToolFacts) -> ToolRow:
    fields = {name: getattr(facts, name) for name in ToolRow.__struct_fields__}
    return ToolRow(**{**fields, "data_class": facts.data_class.label})
