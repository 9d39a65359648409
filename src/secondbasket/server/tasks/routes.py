"""The routes of the door to tasks."""

from starlette.routing import BaseRoute, Route

from secondbasket.server.tasks.changes import Accept, AnswerApproval, Cancel, Pause, Resume, Rework
from secondbasket.server.tasks.events import TaskEvents
from secondbasket.server.tasks.orders import AddTask
from secondbasket.server.tasks.ports import TaskPorts
from secondbasket.server.tasks.reading import Deliverable, ListTasks, ShowTask


def tasks_routes(ports: TaskPorts) -> list[BaseRoute]:
    """Every route checks its caller itself."""
    one = "/v1/tasks/{task}"
    return [
        Route("/v1/tasks", ListTasks(ports), methods=["GET"]),
        Route("/v1/tasks", AddTask(ports)),
        Route(one, ShowTask(ports)),
        Route(f"{one}/events", TaskEvents(ports)),
        Route(f"{one}/deliverables/{{name:path}}", Deliverable(ports)),
        Route(f"{one}/pause", Pause(ports)),
        Route(f"{one}/resume", Resume(ports)),
        Route(f"{one}/cancel", Cancel(ports)),
        Route(f"{one}/accept", Accept(ports)),
        Route(f"{one}/rework", Rework(ports)),
        Route(f"{one}/approvals/{{approval}}/approve", AnswerApproval(ports, yes=True)),
        Route(f"{one}/approvals/{{approval}}/reject", AnswerApproval(ports, yes=False)),
    ]
