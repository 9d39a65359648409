"""A worker's model turns: asked of the gateway like any call, and read with more patience."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from secondbasket.apps.tasks.halts import Halt
from secondbasket.apps.tasks.moves import Ask
from secondbasket.apps.tools.arguments import violations
from secondbasket.core.chat import ChatRequest, ResponseFormat, Sampling
from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.task import Turned
from secondbasket.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    InvalidRequest,
    ModelNotFound,
    PolicyRefused,
    UpstreamError,
    UpstreamRejected,
)
from secondbasket.maas.asking import Asked, ask
from secondbasket.maas.gateway import Gateway

_OUTAGE_SECONDS = 30.0
_KEPT = 16_000


class Mind:
    """`basket` answers for workers that name none; `key_of` finds the key of a task's owner."""

    def __init__(
        self, gateway: Gateway, *, basket: str, key_of: Callable[[str], Key | None]
    ) -> None:
        self._gateway = gateway
        self._basket = basket
        self._key_of = key_of

    async def turn(
        self, wanted: Ask, *, owner: str, basket: str, data_class: DataClass
    ) -> Turned | Halt:
        """What the model says. A Halt where nobody may, can or will be asked for now."""
        key = self._key_of(owner)
        if key is None:
            return Halt(state="cancelled", reason="the key of whoever asked for it is gone")
        request = ChatRequest(
            model=basket or self._basket,
            messages=tuple(wanted.messages),
            sampling=Sampling(max_tokens=wanted.max_tokens, temperature=0.0),
            response_format=_format(wanted),
            stream=True,
        )
        try:
            asked = await ask(self._gateway, key, request, floor=data_class)
        except PolicyRefused as error:
            return Halt(state="parked", reason=f"no model may see its data: {error.message}")
        except BudgetExceeded as error:
            return Halt(state="parked", reason=f"the key's budget is spent: {error.message}")
        except AuthenticationFailed:
            return Halt(state="cancelled", reason="the key of whoever asked for it is gone")
        except ModelNotFound as error:
            return Halt(state="parked", reason=error.message)
        except (InvalidRequest, UpstreamRejected) as error:
            return _useless(wanted, str(error.message))
        except UpstreamError as error:
            return Halt(
                state="parked",
                reason=f"no model answers: {error.message}",
                again_seconds=_OUTAGE_SECONDS,
            )
        return _read(wanted, asked)


def _format(wanted: Ask) -> ResponseFormat | None:
    if wanted.schema is None:
        return None
    return ResponseFormat("json_schema", {"name": wanted.purpose, "schema": wanted.schema})


def _useless(wanted: Ask, why: str) -> Turned:
    return Turned(step=wanted.step, item=wanted.item, purpose=wanted.purpose, text="", error=why)


def _read(wanted: Ask, asked: Asked) -> Turned:
    text, receipt = asked.choice.text, asked.receipt
    data, error = None, ""
    if wanted.schema is not None:
        data, error = fitting(text, wanted.schema)
    elif not text.strip():
        error = "it is empty"
    return Turned(
        step=wanted.step,
        item=wanted.item,
        purpose=wanted.purpose,
        text=text[:_KEPT],
        data=data,
        error=error,
        input_tokens=receipt.input_tokens,
        output_tokens=receipt.output_tokens,
        cost=receipt.cost,
        request_id=receipt.request_id,
    )


def fitting(text: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """The JSON of an answer and what is wrong with it, empty where nothing is.

    What models write around JSON is taken off first.
    """
    try:
        data = json.loads(_bare(text))
    except (ValueError, RecursionError):
        return None, "it is no JSON"
    wrong = violations(schema, data)
    if wrong:
        return None, "; ".join(wrong)
    return data, ""


def _bare(text: str) -> str:
    """The outermost object or list of a text, without fences and words around it."""
    starts = [position for position in (text.find("{"), text.find("[")) if position >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    return text[min(starts) : end + 1] if starts and end >= 0 else text
