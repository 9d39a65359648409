"""The morning report of a day: the same figures as `basket report morning`, with ways on."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.clock import timestamp
from secondbasket.errors import InvalidRequest
from secondbasket.server.console.desk import Desk


def report_routes(desk: Desk) -> list[BaseRoute]:
    async def report(request: Request) -> Response:
        session = await desk.signed_in(request)
        day = request.query_params.get("day", "")
        since, until = span(day)
        return desk.page(
            request,
            "report.html",
            session=session,
            day=day,
            today=f"{datetime.now(UTC):%Y-%m-%d}",
            report=await desk.ports.reporter.morning(session.key, since=since, until=until),
        )

    return [Route("/report", report)]


def span(day: str) -> tuple[str, str]:
    """A day such as '2026-11-25' in UTC, its end not included; two empty texts, which stand for
    the last 24 hours, where none is named. Raises InvalidRequest."""
    if not day:
        return "", ""
    try:
        begin = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        return timestamp(begin), timestamp(begin + timedelta(days=1))
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(
            f"'{day[:40]}' is no day.", hint="Write it as 2026-11-25.", param="day"
        ) from exc
