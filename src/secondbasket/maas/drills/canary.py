"""A drill's own requests: short, plain and streamed by turns, through a gateway of its own."""

import time
from collections.abc import Callable

import anyio

from secondbasket.core.chat import ChatRequest, EmbeddingRequest, Message, Sampling
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.model import ModelTask
from secondbasket.core.receipt import Receipt
from secondbasket.errors import BasketError
from secondbasket.maas.drills.observed import Observed, from_error, from_receipt
from secondbasket.maas.gateway import Gateway

KEY_ID = "drill"

_PLAIN = "Name one colour. Answer with one word."
# Long enough to be under way when the cut comes.
_STREAMED = "Write the whole numbers from one to thirty in figures, one after the other."
_TEXT = "Do not put all your eggs in one basket."
_PLAIN_TOKENS = 8
_STREAMED_TOKENS = 32
_MOST_IN_FLIGHT = 64
_FIRST_MOMENT = "2026-01-01T00:00:00.000Z"


class Canaries:
    """Sends requests to `basket`; `tell` hears of each once it has ended.

    Their receipts are under the key 'drill', which has no secret and no
    budget: nobody can ask with it, and what they cost is on the books.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        basket: str,
        task: ModelTask,
        data_class: DataClass,
        currency: str,
        tell: Callable[[Observed], None],
    ) -> None:
        self._gateway = gateway
        self._basket = basket
        self._task = task
        self._data_class = data_class
        self._tell = tell
        self._key = Key(
            id=KEY_ID,
            name=KEY_ID,
            role="user",
            budget=None,
            currency=currency,
            created_at=_FIRST_MOMENT,
        )

    async def send(self, rate: float, seconds: float, *, started: float) -> None:
        """`rate` requests a second for `seconds`; returns when the last has ended.

        `started` is the drill's start by `time.perf_counter`. Where answers are
        slower than requests come, so many run at a time and the rest wait.
        """
        free = anyio.CapacityLimiter(_MOST_IN_FLIGHT)
        async with anyio.create_task_group() as running:
            for number in range(max(1, round(rate * seconds))):
                due = started + number / rate
                await anyio.sleep(max(0.0, due - time.perf_counter()))
                await free.acquire_on_behalf_of(number)
                running.start_soon(self._send, number, free, started)

    async def _send(self, number: int, free: anyio.CapacityLimiter, started: float) -> None:
        streamed = self._task == "chat" and number % 2 == 0
        began = time.perf_counter() - started
        try:
            receipt = await self._ask(streamed)
        except BasketError as error:
            ended = time.perf_counter() - started
            self._tell(from_error(error, began=began, ended=ended, streamed=streamed))
        else:
            self._tell(from_receipt(receipt, began=began))
        finally:
            free.release_on_behalf_of(number)

    async def _ask(self, streamed: bool) -> Receipt:
        """The receipt, also of what failed; raises where there is none."""
        if self._task == "embedding":
            _, receipt = await self._gateway.embed(
                self._key,
                EmbeddingRequest(model=self._basket, inputs=(_TEXT,)),
                floor=self._data_class,
            )
            return receipt
        request = ChatRequest(
            model=self._basket,
            messages=(Message(role="user", content=_STREAMED if streamed else _PLAIN),),
            sampling=Sampling(
                max_tokens=_STREAMED_TOKENS if streamed else _PLAIN_TOKENS, temperature=0
            ),
            stream=streamed,
            include_usage=streamed,
        )
        answer = await self._gateway.chat(self._key, request, floor=self._data_class)
        try:
            async with answer:
                async for _ in answer:
                    pass
        except BasketError:
            if answer.receipt is None:
                raise
            return answer.receipt
        return answer.finished
