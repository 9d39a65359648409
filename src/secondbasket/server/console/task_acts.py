"""What a person does with a task: answer it, hold it, end it, judge what came of it."""

from http import HTTPStatus
from typing import Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from secondbasket.core.key import Key
from secondbasket.core.worker import MoreLimits
from secondbasket.errors import InvalidRequest, NotFound
from secondbasket.server.console.desk import Desk
from secondbasket.server.console.security import form_text

_LONGEST_NOTE = 2_000
_LONGEST_REWORK = 10_000


def task_act_routes(desk: Desk) -> list[BaseRoute]:
    board = desk.ports.board

    def back(request: Request, task: str) -> Response:
        url = f"{request.scope['root_path']}/tasks/{task}"
        return RedirectResponse(url, HTTPStatus.SEE_OTHER)

    async def act(request: Request) -> Response:
        session = await desk.signed_in(request)
        task = request.path_params["task"]
        return back(request, await _do(request, session.key, task))

    async def _do(request: Request, key: Key, task: str) -> str:
        """The id of the task to show then."""
        match request.path_params["act"]:
            case "pause":
                await board.pause(key, task)
            case "resume":
                await board.resume(key, task, more=await _more(request))
            case "cancel":
                await board.cancel(key, task)
            case "accept":
                await board.accept(key, task, accepted=True)
            case "reject":
                await board.accept(key, task, accepted=False)
            case "rework":
                text = await _text(request, "text", _LONGEST_REWORK)
                if not text:
                    raise InvalidRequest("Say what is to be different.", param="text")
                return (await board.rework(key, task, text)).id
            case _:
                raise NotFound("There is no such page.")
        return task

    async def answer(request: Request) -> Response:
        session = await desk.signed_in(request)
        answered = await board.answer(
            session.key,
            request.path_params["approval"],
            yes=_chosen(await form_text(request, "answer"), "yes", "no") == "yes",
            note=await _text(request, "note", _LONGEST_NOTE),
        )
        return back(request, answered.task)

    async def settle(request: Request) -> Response:
        session = await desk.signed_in(request)
        said = _chosen(await form_text(request, "state"), "done", "undone")
        state: Literal["done", "undone"] = "done" if said == "done" else "undone"
        effect = await board.settle(
            session.key,
            request.path_params["effect"],
            state,
            await _text(request, "note", _LONGEST_NOTE),
        )
        return back(request, effect.task)

    return [
        Route("/approvals/{approval}", answer, methods=["POST"]),
        Route("/effects/{effect}", settle, methods=["POST"]),
        Route("/tasks/{task}/{act}", act, methods=["POST"]),
    ]


async def _more(request: Request) -> MoreLimits | None:
    """What the task may use beyond its limits; None where the form names nothing."""
    steps, tokens, minutes = [
        _number(await form_text(request, name), name) for name in ("steps", "tokens", "minutes")
    ]
    if not (steps or tokens or minutes):
        return None
    return MoreLimits(steps=steps, tokens=tokens, minutes=minutes)


def _number(text: str, name: str) -> int:
    text = text.strip()
    if text and not (text.isdecimal() and text.isascii() and len(text) <= 9):
        raise InvalidRequest(f"{name}: '{text[:40]}' is no whole number.", param=name)
    return int(text or "0")


async def _text(request: Request, name: str, longest: int) -> str:
    text = (await form_text(request, name)).strip()
    if len(text) > longest:
        raise InvalidRequest(f"This is longer than {longest} characters.", param=name)
    return text


def _chosen(text: str, *known: str) -> str:
    if text not in known:
        raise InvalidRequest("The page you sent this from is out of date.", hint="Reload it.")
    return text
