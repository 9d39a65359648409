"""The process that serves a chat model through OpenVINO, started as ``python -m`` by its engine.

It speaks the OpenAI wire as llama.cpp's server does, its running counts and its
errors included, so that one upstream reads both engines.
"""

import hmac
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from secondbasket.cloud.engines import lifeline
from secondbasket.cloud.engines.answer_parts import AnswerParts, Delta
from secondbasket.cloud.engines.answer_text import AnswerText
from secondbasket.cloud.engines.chat_template import TemplateRefused
from secondbasket.cloud.engines.openvino_batch import Batch, GenerationFailed
from secondbasket.cloud.engines.openvino_model import CannotLoad, Model
from secondbasket.cloud.engines.openvino_wire import (
    ChatBody,
    CompletionBody,
    Frames,
    Refused,
    Sampling,
    TemplateBody,
    TokenizeBody,
)

_DRAIN_SECONDS = 5
_ENGINE_FAILED = 70  # EX_SOFTWARE
_DONE = b"data: [DONE]\n\n"

_Body = TypeVar("_Body", bound=msgspec.Struct)


class Step(NamedTuple):
    """What one token changed: fragments to show, `counts` so far, and the end where it is one."""

    deltas: Sequence[Delta]
    logprobs: Sequence[dict[str, Any]]
    counts: dict[str, int]
    finish_reason: str | None


class Call(NamedTuple):
    """A call that was understood: what the model reads, and how its text becomes an answer."""

    body: Sampling
    prompt: list[int]
    config: Any
    parts: AnswerParts | None
    frames: Frames
    logprobs: bool


class ChatDoor:
    """The door of this process."""

    def __init__(self, *, model: Model, batch: Batch, alias: str, api_key: str) -> None:
        self._model = model
        self._batch = batch
        self._alias = alias
        self._authorization = f"Bearer {api_key}".encode()

    def routes(self) -> list[Route]:
        async def health(_: Request) -> Response:
            return _json({"status": "ok"})

        served = {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/apply-template": self._apply_template,
            "/tokenize": self._tokenize,
        }
        guarded = [
            Route(path, self._guarded(each), methods=["POST"]) for path, each in served.items()
        ]
        return [Route("/health", health, methods=["GET"]), *guarded]

    def _guarded(
        self, serve: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._authorization):
                return _failure(Refused("Invalid API Key", kind="authentication_error", status=401))
            try:
                return await serve(request)
            except Refused as refused:
                return _failure(refused)
            except (msgspec.MsgspecError, UnicodeDecodeError, TemplateRefused) as exc:
                return _failure(Refused(str(exc)))
            except GenerationFailed as exc:
                return _failure(Refused(str(exc), kind="server_error", status=500))

        return endpoint

    async def _chat(self, request: Request) -> Response:
        body = await _read(request, ChatBody)
        body.require_served(body.top_logprobs)
        tools = body.offered_tools()
        text = self._render(body.messages, tools, body.chat_template_kwargs)
        schema = body.response_format.checked() if body.response_format else None
        parts = AnswerParts(thinking=_ends_thinking(text), tools=bool(tools))
        return await self._answer(
            request,
            body,
            self._model.tokens(text),
            schema=schema,
            # A constrained answer is what its schema says and nothing else.
            parts=parts if schema is None else None,
            logprobs=bool(body.logprobs),
            frames=Frames(self._alias, chat=True),
        )

    async def _complete(self, request: Request) -> Response:
        body = await _read(request, CompletionBody)
        body.require_served(body.logprobs)
        if isinstance(body.prompt, str):
            prompt = self._model.tokens(body.prompt)
        else:
            prompt = body.prompt
            self._model.require_known(prompt)
        return await self._answer(
            request,
            body,
            prompt,
            schema=None,
            parts=None,
            logprobs=body.logprobs is not None,
            frames=Frames(self._alias, chat=False),
        )

    async def _apply_template(self, request: Request) -> Response:
        body = await _read(request, TemplateBody)
        text = self._render(body.messages, body.tools or [], body.chat_template_kwargs)
        return _json({"prompt": text})

    async def _tokenize(self, request: Request) -> Response:
        body = await _read(request, TokenizeBody)
        return _json({"tokens": self._model.tokens(body.content)})

    def _render(
        self, messages: Sequence[Any], tools: Sequence[Any], switches: dict[str, Any] | None
    ) -> str:
        told = [message.for_template() for message in messages]
        return self._model.render(told, tools=tools, switches=switches or {})

    async def _answer(
        self,
        request: Request,
        body: Sampling,
        prompt: list[int],
        *,
        schema: str | None,
        parts: AnswerParts | None,
        logprobs: bool,
        frames: Frames,
    ) -> Response:
        limit = self._model.context_tokens
        if len(prompt) >= limit:
            raise Refused(
                f"request ({len(prompt)} tokens) exceeds the available context size"
                f" ({limit} tokens), try increasing it",
                kind="exceed_context_size_error",
                n_prompt_tokens=len(prompt),
                n_ctx=limit,
            )
        config = self._model.config(
            body, room=limit - len(prompt), logprobs=logprobs, schema=schema
        )
        call = Call(body, prompt, config, parts, frames, logprobs)
        if body.stream:
            return _Stream(self._events(call))
        return await _unless_left(request, self._plain(call))

    async def _plain(self, call: Call) -> Response:
        deltas: list[Delta] = []
        logprobs: list[dict[str, Any]] = []
        async with aclosing(self._steps(call)) as steps:
            async for step in steps:
                deltas += step.deltas
                logprobs += step.logprobs
                if step.finish_reason is not None:
                    return _json(
                        call.frames.answer(
                            deltas,
                            counts=step.counts,
                            logprobs=logprobs,
                            finish_reason=step.finish_reason,
                        )
                    )
        raise GenerationFailed("The engine ended this answer without a reason.")

    async def _events(self, call: Call) -> AsyncGenerator[bytes, None]:
        frames = call.frames
        opening = frames.opening()
        try:
            async with aclosing(self._steps(call)) as steps:
                async for step in steps:
                    if opening is not None:
                        yield _event(opening)
                        opening = None
                    deltas = [*step.deltas] or ([{}] if step.logprobs else [])
                    for position, delta in enumerate(deltas):
                        logprobs = step.logprobs if position == 0 else ()
                        yield _event(frames.chunk(delta, counts=step.counts, logprobs=logprobs))
                    if step.finish_reason is not None:
                        yield _event(frames.chunk({}, finish_reason=step.finish_reason))
                        yield _event(frames.usage(step.counts))
                        yield _DONE
                    elif not deltas:
                        yield _event(frames.usage_so_far(step.counts))
        except GenerationFailed as exc:
            failed = Refused(str(exc), kind="server_error", status=500)
            yield _event({"error": failed.error})

    async def _steps(self, call: Call) -> AsyncGenerator[Step, None]:
        """One step a token, as they come, and one for the end, which has its reason."""
        text = AnswerText(call.body.stops())
        told = _Logprobs(self._model) if call.logprobs else None
        counts = {"prompt_n": len(call.prompt), "cache_n": 0, "predicted_n": 0}
        if not call.prompt:
            # As llama.cpp has it: there is nothing to go on from.
            yield Step([], [], counts, "length")
            return
        async with (
            self._batch.generation(call.prompt, call.config) as generation,
            aclosing(generation.tokens()) as tokens,
        ):
            async for token, logprob in tokens:
                counts["predicted_n"] += 1
                shown = text.feed(self._model.piece(token))
                certain = told.feed(token, logprob, shown) if told else []
                yield Step(_deltas(call.parts, shown), certain, dict(counts), None)
                if text.stopped:
                    break
        deltas = _deltas(call.parts, text.rest())
        certain = told.rest() if told and not text.stopped else []
        reason = "stop" if text.stopped else generation.finish_reason
        if call.parts is not None:
            deltas += call.parts.rest()
            if call.parts.calls and reason == "stop":
                reason = "tool_calls"
        yield Step(deltas, certain, counts, reason)


class _Logprobs:
    """Tells of a token when all of its text is shown, so that no stop text is told by its parts."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._written = 0
        self._shown = 0

    def feed(self, token: int, logprob: float, shown: str) -> list[dict[str, Any]]:
        piece = self._model.piece(token)
        self._written += len(piece)
        self._shown += len(shown.encode())
        entry = {
            "id": token,
            "token": piece.decode(errors="replace"),
            "bytes": list(piece),
            "logprob": logprob,
            "top_logprobs": [],
        }
        self._waiting.append((self._written, entry))
        certain = [each for end, each in self._waiting if end <= self._shown]
        del self._waiting[: len(certain)]
        return certain

    def rest(self) -> list[dict[str, Any]]:
        waiting, self._waiting = self._waiting, []
        return [entry for _, entry in waiting]


def _deltas(parts: AnswerParts | None, text: str) -> list[Delta]:
    if parts is not None:
        return parts.feed(text)
    return [{"content": text}] if text else []


def _ends_thinking(prompt: str) -> bool:
    """Templates of thinking models may open the thought themselves."""
    return prompt.rstrip().endswith("<think>")


class _Stream(Response):
    """Server-sent events, given up at once when the client leaves."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(media_type="text/event-stream")
        self._events = events

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI hands every application the same three
        receive: Receive,
        send: Send,
    ) -> None:
        headers = [each for each in self.raw_headers if each[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with anyio.create_task_group() as watching:
            watching.start_soon(_cancel_when_left, receive, watching.cancel_scope)
            async with aclosing(self._events) as events:
                async for event in events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            watching.cancel_scope.cancel()


async def _unless_left(request: Request, answer: Awaitable[Response]) -> Response:
    """The answer; one to nobody where the client left before it was there."""
    response = Response(status_code=499)
    async with anyio.create_task_group() as watching:
        watching.start_soon(_cancel_when_left, request.receive, watching.cancel_scope)
        response = await answer
        watching.cancel_scope.cancel()
    return response


async def _cancel_when_left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _read(request: Request, kind: type[_Body]) -> _Body:
    return msgspec.json.decode(await request.body(), type=kind)


def _event(content: Any) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _failure(refused: Refused) -> Response:
    return _json({"error": refused.error}, refused.status)


async def _no_such_call(_request: Request, _exc: Exception) -> Response:
    return _failure(Refused("File Not Found", kind="not_found_error", status=404))


async def _run(batch: Batch) -> None:
    try:
        await batch.run()
    # What the library threw in a step leaves it in no known state: the supervisor begins anew.
    except RuntimeError as exc:
        sys.stderr.write(f"the engine failed: {exc}\n")
        sys.stderr.flush()
        os._exit(_ENGINE_FAILED)


def main() -> None:
    configuration = lifeline.begin()
    try:
        model = Model(
            weights=Path(configuration["weights"]),
            context_tokens=configuration["context_tokens"],
            slots=configuration["slots"],
            threads=configuration["threads"],
            caches=configuration["cache_mib"] > 0,
        )
    except (CannotLoad, TemplateRefused) as exc:
        sys.exit(f"cannot load the model: {exc}")
    batch = Batch(model, configuration["slots"])
    door = ChatDoor(
        model=model, batch=batch, alias=configuration["alias"], api_key=configuration["api_key"]
    )
    listener = socket.create_server(("127.0.0.1", 0))

    @asynccontextmanager
    async def announced(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run, batch)
            # Connections wait in the listener's queue until the server takes them.
            lifeline.announce(listener.getsockname()[1])
            yield
            tasks.cancel_scope.cancel()

    uvicorn.Server(
        uvicorn.Config(
            Starlette(
                routes=door.routes(),
                lifespan=announced,
                exception_handlers={404: _no_such_call, 405: _no_such_call},
            ),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    ).run(sockets=[listener])


if __name__ == "__main__":
    main()
