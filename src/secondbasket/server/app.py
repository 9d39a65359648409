"""The doors over one stack: each is handed its ports here, and nothing else of the stack."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from secondbasket import __version__
from secondbasket.app import Stack
from secondbasket.core.chip import Chip
from secondbasket.core.clock import timestamp
from secondbasket.core.head import LedgerStatus
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.routes import admin_routes
from secondbasket.server.admin.words import BasketStatus, Status
from secondbasket.server.anthropic.ports import AnthropicPorts
from secondbasket.server.anthropic.routes import anthropic_routes
from secondbasket.server.console.ports import ConsolePorts, ModelView
from secondbasket.server.console.routes import console_routes
from secondbasket.server.health import health_routes
from secondbasket.server.hosts import AllowedHosts
from secondbasket.server.mcp.desk import BoardDesk
from secondbasket.server.mcp.ports import McpPorts
from secondbasket.server.mcp.routes import mcp_routes
from secondbasket.server.openai.door import NotServed
from secondbasket.server.openai.ports import OpenAIPorts
from secondbasket.server.openai.routes import openai_routes
from secondbasket.server.tasks.ports import TaskPorts
from secondbasket.server.tasks.routes import tasks_routes


def public_app(stack: Stack) -> ASGIApp:
    """What listens on TCP: the OpenAI and the Messages door, the console, health and metrics."""
    settings = stack.settings.server
    routes = [
        *openai_routes(_openai_ports(stack)),
        *anthropic_routes(_anthropic_ports(stack)),
        *mcp_routes(_mcp_ports(stack)),
        *tasks_routes(_task_ports(stack)),
        *health_routes(
            waiting_for=stack.waiting_for,
            exposition=stack.metrics.exposition,
            verify=None if settings.private else stack.keys.verify,
        ),
        Mount("/console", routes=console_routes(_console_ports(stack))),
        Route("/", _to_console, methods=["GET"]),
    ]
    return AllowedHosts(
        Router(routes, default=NotServed()), names=[settings.host, *settings.allowed_hosts]
    )


def admin_app(stack: Stack, *, address: str, stop: Callable[[], None]) -> ASGIApp:
    """What listens on the home's own socket: the admin door, and the OpenAI door beside it."""
    routes: list[BaseRoute] = [
        *admin_routes(_admin_ports(stack, address=address, stop=stop)),
        *openai_routes(_openai_ports(stack)),
    ]
    return Router(routes, default=NotServed())


async def _to_console(_request: Request) -> Response:
    return RedirectResponse("/console/")


def _anthropic_ports(stack: Stack) -> AnthropicPorts:
    settings = stack.settings.server
    return AnthropicPorts(
        verify=stack.keys.verify,
        gateway=stack.gateway,
        refused=stack.metrics.refused,
        max_body_bytes=settings.max_body_bytes,
        stall_seconds=settings.client_stall_seconds,
    )


def _mcp_ports(stack: Stack) -> McpPorts:
    return McpPorts(
        verify=stack.keys.verify,
        refused=stack.metrics.refused,
        desk=BoardDesk(stack.office.board, stack.office.roster),
        max_body_bytes=stack.settings.server.max_body_bytes,
    )


def _task_ports(stack: Stack) -> TaskPorts:
    settings = stack.settings.server
    return TaskPorts(
        verify=stack.keys.verify,
        refused=stack.metrics.refused,
        key_of=stack.keys.active,
        board=stack.office.board,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=stack.settings.workers.max_upload_bytes,
        stall_seconds=settings.client_stall_seconds,
    )


def _openai_ports(stack: Stack) -> OpenAIPorts:
    settings = stack.settings.server
    return OpenAIPorts(
        verify=stack.keys.verify,
        gateway=stack.gateway,
        baskets=stack.baskets,
        receipt=stack.ledger.receipt,
        refused=stack.metrics.refused,
        max_body_bytes=settings.max_body_bytes,
        stall_seconds=settings.client_stall_seconds,
    )


def _console_ports(stack: Stack) -> ConsolePorts:
    async def models() -> Sequence[ModelView]:
        replicas = {status.name: status for status in stack.supervisor.status()}
        return [
            ModelView(
                record,
                replicas.get(record.name),
                stack.local_models.unserved.get(record.name, ""),
                [each for name, each in replicas.items() if name.startswith(f"{record.name}@")],
            )
            for record in await stack.model_desk.list()
        ]

    async def chips() -> Sequence[Chip]:
        return await anyio.to_thread.run_sync(stack.chips.now)

    settings = stack.settings
    return ConsolePorts(
        keys=stack.keys,
        sessions=stack.sessions,
        ledger=stack.ledger,
        gateway=stack.gateway,
        baskets=stack.baskets,
        standings=stack.standings.of,
        findings=stack.independence.findings,
        drills=stack.drills,
        board=stack.office.board,
        team=stack.office.team,
        reporter=stack.office.reporter,
        memories=stack.memories,
        models=models,
        chips=chips,
        currency=settings.prices.currency,
        max_body_bytes=settings.server.max_body_bytes,
        stall_seconds=settings.server.client_stall_seconds,
    )


def _admin_ports(stack: Stack, *, address: str, stop: Callable[[], None]) -> AdminPorts:
    async def chips(measure: bool) -> Sequence[Chip]:
        probe = stack.chips.measured if measure else stack.chips.now
        return await anyio.to_thread.run_sync(probe)

    return AdminPorts(
        keys=stack.keys,
        pepper_care=stack.pepper_care,
        local_key=stack.local_key,
        owner=stack.owner,
        ledger=stack.ledger,
        tell_egress=stack.door.meter.tell,
        notary=stack.notary,
        push_heads=stack.head_push.push,
        drills=stack.drills,
        models=stack.model_desk,
        chips=chips,
        status=lambda: _status(stack, address),
        stop=stop,
        board=stack.office.board,
        reporter=stack.office.reporter,
        roster=stack.office.roster,
        parity=stack.parity,
        findings=stack.independence.findings,
        explainer=stack.explainer,
        projects=lambda: stack.guard.projects,
        reload=stack.reload,
        documents=stack.documents,
        data=stack.data,
        memories=stack.memories,
        tools=lambda: [tool.facts for tool in stack.belt.all()],
    )


def _status(stack: Stack, address: str) -> Status:
    reason = stack.waiting_for()
    return Status(
        version=__version__,
        home=str(stack.home.root),
        pid=os.getpid(),
        started_at=timestamp(datetime.fromtimestamp(stack.started_at, UTC)),
        uptime_seconds=round(time.time() - stack.started_at, 1),
        address=address,
        state="ready" if reason is None else "not ready",
        reason=reason or "",
        baskets=tuple(
            BasketStatus(
                basket.name,
                basket.task,
                basket.ready(),
                basket.rules,
                stack.standings.of(basket),
                stack.drills.latest.get(basket.name),
            )
            for basket in stack.baskets
        ),
        replicas=tuple(stack.supervisor.status()),
        unserved=stack.local_models.unserved,
        ledger=LedgerStatus(
            head=stack.notary.newest,
            failure=stack.notary.failure,
            file_failure=stack.notary.file_failure,
            damage=stack.notary.damage,
            pushes=stack.head_push.states,
        ),
    )
