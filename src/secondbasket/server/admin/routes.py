"""The routes of the admin door."""

from starlette.routing import BaseRoute

from secondbasket.server.admin.account import account_routes
from secondbasket.server.admin.baskets import basket_routes
from secondbasket.server.admin.data import data_routes
from secondbasket.server.admin.documents import document_routes
from secondbasket.server.admin.drills import drill_routes
from secondbasket.server.admin.explain import explain_routes
from secondbasket.server.admin.keys import key_routes
from secondbasket.server.admin.ledger import ledger_routes
from secondbasket.server.admin.machine import machine_routes
from secondbasket.server.admin.memory import memory_routes
from secondbasket.server.admin.models import model_routes
from secondbasket.server.admin.ports import AdminPorts
from secondbasket.server.admin.tasks import task_routes
from secondbasket.server.admin.tools import tool_routes
from secondbasket.server.admin.workers import worker_routes


def admin_routes(ports: AdminPorts) -> list[BaseRoute]:
    """They ask for no key: serve them on the home's own socket (mode 0600) only."""
    return [
        *machine_routes(ports),
        *model_routes(ports),
        *key_routes(ports),
        *account_routes(ports),
        *drill_routes(ports),
        *basket_routes(ports),
        *explain_routes(ports),
        *ledger_routes(ports),
        *document_routes(ports),
        *data_routes(ports),
        *memory_routes(ports),
        *tool_routes(ports),
        *task_routes(ports),
        *worker_routes(ports),
    ]
