"""What would happen to a request: answered without sending it anywhere."""

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute

from secondbasket.core.data_class import DataClass
from secondbasket.core.explanation import Explanation
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.server.admin.door import read, route
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.words import ExplainOrder
from secondbasket.wires.openai.chat_request import decode_chat_request


def explain_routes(ports: AdminPorts) -> list[BaseRoute]:
    async def explain(request: Request) -> Explanation:
        order = await read(request, ExplainOrder)
        key = None
        if order.key is not None:
            key = ports.keys.active(order.key)
            if key is None:
                raise NotFound(
                    f"There is no key '{order.key[:64]}' that works.", hint="See: basket key list"
                )
        if order.project is not None and order.project not in ports.projects():
            known = ", ".join(sorted(ports.projects())) or "none"
            raise NotFound(
                f"There is no project '{order.project[:64]}'.", hint=f"Projects: {known}."
            )
        try:
            asked = DataClass.parse(order.data_class)
        except ValueError as exc:
            raise InvalidRequest(f"{exc}.", param="data_class") from exc
        return await ports.explainer.explain(
            decode_chat_request(msgspec.json.encode(order.request)),
            key=key,
            project=order.project,
            asked=asked,
        )

    return [route("POST", "/admin/explain", explain)]
