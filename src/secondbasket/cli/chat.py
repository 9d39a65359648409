"""`basket chat`: a conversation in the terminal."""

from collections.abc import AsyncIterator

import aiohttp
import anyio
import click
import msgspec

from secondbasket.cli.connection import Connection, connect
from secondbasket.cli.home import read_home
from secondbasket.cli.output import emit, json_option, note, printable
from secondbasket.cli.receipt import receipt_line
from secondbasket.core.receipt import Receipt
from secondbasket.errors import UpstreamBroken, UpstreamUnavailable
from secondbasket.server.admin.words import LocalKey, Status
from secondbasket.wires.sse import EventDecoder

Message = dict[str, str]

_PAUSE_SECONDS = 0.05


@click.command()
@click.argument("question", nargs=-1)
@click.option("--model", help="The basket to ask. Default: the first that is ready for chat.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer, in tokens.")
@json_option
def command(
    question: tuple[str, ...], model: str | None, max_tokens: int | None, as_json: bool
) -> None:
    """Chat with a model in the terminal.

    With a QUESTION, answers it and ends; without one, goes on until you press Ctrl-D. A receipt
    follows each answer.
    """
    asked = " ".join(question)
    if as_json and not asked:
        raise click.UsageError("--json needs a QUESTION.")
    anyio.run(_chat, asked, model, max_tokens, as_json)


async def _chat(question: str, model: str | None, max_tokens: int | None, as_json: bool) -> None:
    async with connect(engines=True) as server:
        chat = Chat(server, model or await first_chat_basket(server), max_tokens=max_tokens)
        if as_json:
            answer = "".join([piece async for piece in chat.ask(question)])
            emit({"model": chat.model, "answer": answer, "receipt": await chat.receipt()})
            return
        if question:
            await _show(chat, question)
            return
        note(f"Chatting with {chat.model}. Ctrl-D ends it.")
        while asked := await _next_line():
            await _show(chat, asked)


async def _show(chat: "Chat", question: str) -> None:
    async for piece in chat.ask(question):
        click.echo(printable(piece), nl=False)
    click.echo()
    note(receipt_line(await chat.receipt()))


async def _next_line() -> str | None:
    """What the person types next, None once they press Ctrl-D."""
    while True:
        try:
            line = await anyio.to_thread.run_sync(input, "\n> ", abandon_on_cancel=True)
        except EOFError:
            click.echo()
            return None
        if line.strip():
            return line


class Chat:
    """A conversation with one basket, over the OpenAI wire as any client has it.

    `sampling` holds that wire's own fields, such as max_tokens; None leaves one out.
    """

    def __init__(self, server: Connection, model: str, **sampling: float | None) -> None:
        self.model = model
        self._server = server
        self._sampling = {name: value for name, value in sampling.items() if value is not None}
        self._messages: list[Message] = []
        self._request_id = ""

    async def ask(self, question: str) -> AsyncIterator[str]:
        """The answer's text, piece by piece. Raises UpstreamBroken when it breaks off."""
        key = await self._server.post("local-key", LocalKey)
        self._messages.append({"role": "user", "content": question})
        body = {"model": self.model, "messages": self._messages, "stream": True} | self._sampling
        pieces: list[str] = []
        try:
            async with self._server.session.post(
                "/v1/chat/completions",
                data=msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {key.key}"},
            ) as response:
                if response.status != 200:
                    raise _told(await response.read())
                self._request_id = response.headers["x-basket-request-id"]
                async for piece in _pieces(response):
                    pieces.append(piece)
                    yield piece
        except aiohttp.ClientError as exc:
            raise UpstreamBroken(
                f"The server broke off its answer: {exc}.", hint="See `basket status`."
            ) from exc
        self._messages.append({"role": "assistant", "content": "".join(pieces)})

    async def receipt(self) -> Receipt:
        """The receipt of the last answer."""
        return await self._server.get(f"receipts/{self._request_id}", Receipt)


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    decoder = EventDecoder()
    async for block in response.content.iter_any():
        for event in decoder.feed(block):
            if event == b"[DONE]":
                return
            chunk = msgspec.json.decode(event)
            if "error" in chunk:
                raise _told(event)
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text
    raise UpstreamBroken("The answer ended without its last word.", hint="See `basket status`.")


def _told(body: bytes) -> UpstreamBroken:
    return UpstreamBroken(msgspec.json.decode(body)["error"]["message"])


async def first_chat_basket(server: Connection) -> str:
    """A basket that can be asked, the default model's if possible. Waits while it is loading.

    Raises UpstreamUnavailable saying why there is none.
    """
    default = read_home().settings.models.default_chat
    while True:
        status = await server.status()
        ready = [each.name for each in status.baskets if each.task == "chat" and each.ready]
        if default in ready or (ready and status.state == "ready"):
            return default if default in ready else ready[0]
        if not _loading(status):
            break
        await anyio.sleep(_PAUSE_SECONDS)
    if ready:
        return ready[0]
    raise UpstreamUnavailable(
        f"No model is ready to chat: {status.reason}.", hint="`basket doctor` says more."
    )


def _loading(status: Status) -> bool:
    """A model for chat is on its way; the engine's own time limit ends that, one way or another."""
    chats = {basket.name for basket in status.baskets if basket.task == "chat"}
    return any(
        replica.state in ("starting", "restarting")
        for replica in status.replicas
        if replica.name in chats
    )
