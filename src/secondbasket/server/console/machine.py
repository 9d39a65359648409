"""The pages on what runs here: models with their fit, and chips."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

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
            desk.whole_or_part(request, "models"),
            session=session,
            models=[(view, memory_of(view)) for view in views],
        )

    async def chips(request: Request) -> Response:
        session = await desk.signed_in(request)
        return desk.page(
            request,
            desk.whole_or_part(request, "chips"),
            session=session,
            chips=[(chip, _memory_in_use(chip)) for chip in await desk.ports.chips()],
        )

    return [Route("/models", models), Route("/chips", chips)]


def memory_of(view: ModelView) -> Sequence[tuple[str, Sequence[Segment]]]:
    """A model's memory, estimated and observed, as bars on one scale; none without a replica."""
    if view.replica is None:
        return ()
    estimate, observed = view.replica.estimate, view.replica.observed_bytes
    whole = max(estimate.needed, observed or 0)
    parts = {
        "weights": estimate.weights,
        "cache": estimate.kv_cache,
        "margin": estimate.margin,
        "prompts": estimate.prompt_cache,
    }
    bars = [("Estimated", stack(parts, whole=whole))]
    if observed is not None:
        bars.append(("Observed", stack({"observed": observed}, whole=whole)))
    return bars


def _memory_in_use(chip: Chip) -> Sequence[Segment]:
    return stack({"used": chip.memory_total - chip.memory_free}, whole=chip.memory_total)
