"""The pages on what runs here: models with their fit, and chips."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secondbasket.cloud.supervisor import ReplicaStatus
from secondbasket.core.chip import Chip
from secondbasket.server.console.chart import Segment, stack
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.ports import ModelView


def machine_routes(desk: Desk) -> list[BaseRoute]:
    async def models(request: Request) -> Response:
        session = await desk.signed_in(request)
        views = await desk.ports.models()
        return desk.page(
            request,
            _whole_or_part(request, "models"),
            session=session,
            models=[(view, memory_of(view)) for view in views],
        )

    async def chips(request: Request) -> Response:
        session = await desk.signed_in(request)
        return desk.page(
            request,
            _whole_or_part(request, "chips"),
            session=session,
            chips=[(chip, _memory_in_use(chip)) for chip in await desk.ports.chips()],
        )

    return [Route("/models", models), Route("/chips", chips)]


def _whole_or_part(request: Request, name: str) -> str:
    """htmx asks again for the list alone, to keep it fresh."""
    return f"{name}_list.html" if "hx-request" in request.headers else f"{name}.html"


def memory_of(view: ModelView) -> Sequence[tuple[str, Sequence[Segment]]]:
    """A model's memory, estimated and observed, as bars on one scale; none without a replica."""
    replica = view.replica
    if replica is None or replica.estimate is None:
        return ()
    whole = _scale(replica)
    estimate = replica.estimate
    bars = [
        (
            "Estimated",
            stack(
                {
                    "weights": estimate.weights,
                    "cache": estimate.kv_cache,
                    "margin": estimate.margin,
                },
                whole=whole,
            ),
        )
    ]
    if replica.observed_bytes is not None:
        bars.append(("Observed", stack({"observed": replica.observed_bytes}, whole=whole)))
    return bars


def _scale(replica: ReplicaStatus) -> int:
    assert replica.estimate is not None
    return max(replica.estimate.needed, replica.observed_bytes or 0)


def _memory_in_use(chip: Chip) -> Sequence[Segment]:
    return stack({"used": chip.memory_total - chip.memory_free}, whole=chip.memory_total)
