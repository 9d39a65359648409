"""A gateway without a policy, for tests of everything else."""

from collections.abc import Callable, Mapping

from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.maas.account import Account
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.demand import Request
from secondbasket.maas.gateway import Gateway, HeldBack
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.routing import Router
from secondbasket.policy.classification import Classification


async def as_given(_key: Key, _request: Request, floor: DataClass) -> Classification:
    return Classification(data_class=floor, sources={})


def nothing_forbidden(_data_class: DataClass, _facts: UpstreamFacts) -> str | None:
    return None


def nobody_is_told(
    _account: Account, _classification: Classification, _rules: Mapping[str, str]
) -> None:
    return None


def open_gateway(
    *,
    baskets: Baskets,
    budgets: Budgets,
    in_flight: InFlight,
    record: Callable[[Receipt], None],
    health: Health | None = None,
    forbidden: Callable[[DataClass, UpstreamFacts], str | None] = nothing_forbidden,
    held_back: HeldBack = nobody_is_told,
) -> Gateway:
    health = health or Health()
    return Gateway(
        baskets=baskets,
        budgets=budgets,
        in_flight=in_flight,
        record=record,
        health=health,
        router=Router(health),
        classify=as_given,
        forbidden=forbidden,
        held_back=held_back,
        currency="USD",
    )
