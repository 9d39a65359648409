"""Stand-in vendors: what answers behind them, for trying and teaching without an account.

A stand-in is reached over HTTP as any provider is. Behind its door a model of
this machine answers, and nothing is written down there: the account of a call
is the one of the gateway that called the stand-in.
"""

from collections.abc import Mapping, Sequence

from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.model import ModelTask
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.errors import ModelNotFound
from secondbasket.maas.account import Account
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.demand import Request
from secondbasket.maas.gateway import Gateway
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.routing import Router
from secondbasket.policy.classification import Classification


class StandInModels:
    """One model name, answered by the first of `upstreams` that is up in `baskets`."""

    def __init__(self, baskets: Baskets, *, model: str, upstreams: Sequence[str]) -> None:
        self._baskets = baskets
        self._model = model
        self._upstreams = tuple(upstreams)

    def find(self, name: str, task: ModelTask | None = None) -> Basket:  # noqa: ARG002 - one task
        """Raises ModelNotFound."""
        up = self._baskets.upstreams()
        for each in self._upstreams:
            if name == self._model and each in up and up[each].ready():
                return Basket(name, "chat", (up[each],))
        raise ModelNotFound(f"This stand-in has no model '{name[:100]}' that is ready.")


def stand_in_gateway(models: StandInModels, budgets: Budgets, *, currency: str) -> Gateway:
    """A gateway without policy and without a ledger: both are with who calls the stand-in."""
    health = Health()
    return Gateway(
        baskets=models,
        budgets=budgets,
        in_flight=InFlight(),
        record=_forget,
        health=health,
        router=Router(health),
        classify=_public,
        forbidden=_nothing,
        held_back=_untold,
        currency=currency,
    )


def _forget(_receipt: Receipt) -> None:
    return None


async def _public(_key: Key, _request: Request, floor: DataClass) -> Classification:
    return Classification(data_class=floor, sources={})


def _nothing(_data_class: DataClass, _facts: UpstreamFacts) -> str | None:
    return None


def _untold(_account: Account, _classification: Classification, _rules: Mapping[str, str]) -> None:
    return None
