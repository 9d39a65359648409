"""A gateway without a policy, and drills over such ones, for tests of everything else."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secondbasket.core.data_class import DataClass
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts
from secondbasket.core.receipt import Receipt
from secondbasket.egress.cuts import Cuts
from secondbasket.ledger.ledger import Ledger
from secondbasket.ledger.signing import Signer
from secondbasket.maas.account import Account
from secondbasket.maas.baskets import Baskets
from secondbasket.maas.budgets import Budgets
from secondbasket.maas.demand import Request
from secondbasket.maas.drills.drill import Ground
from secondbasket.maas.drills.drills import Drills
from secondbasket.maas.drills.report import Score
from secondbasket.maas.drills.scene import HoldDown
from secondbasket.maas.drills.shelf import Shelf
from secondbasket.maas.gateway import Finder, Gateway, HeldBack
from secondbasket.maas.health import Health
from secondbasket.maas.in_flight import InFlight
from secondbasket.maas.routing import Router, Unproven, nothing_to_prove
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
    baskets: Finder,
    budgets: Budgets,
    in_flight: InFlight,
    record: Callable[[Receipt], None],
    health: Health | None = None,
    forbidden: Callable[[DataClass, UpstreamFacts], str | None] = nothing_forbidden,
    unproven: Unproven = nothing_to_prove,
    held_back: HeldBack = nobody_is_told,
    canary: bool = False,
    **more: Any,
) -> Gateway:
    health = health or Health()
    return Gateway(
        baskets=baskets,
        budgets=budgets,
        in_flight=in_flight,
        record=record,
        health=health,
        router=Router(health, unproven=unproven),
        classify=as_given,
        forbidden=forbidden,
        held_back=held_back,
        currency="USD",
        canary=canary,
        **more,
    )


@contextmanager
def _no_engine(_name: str) -> Iterator[None]:
    yield


def _not_measured(_basket: str, _upstream: str) -> float | None:
    return None


def open_drills(
    folder: Path,
    *,
    baskets: Baskets,
    budgets: Budgets,
    ledger: Ledger,
    cuts: Cuts | None = None,
    signer: Signer | None = None,
    forbidden: Callable[[DataClass, UpstreamFacts], str | None] = nothing_forbidden,
    hold_down: HoldDown = _no_engine,
    score: Score = _not_measured,
    basket: str = "b",
    keep: int = 10,
) -> Drills:
    def gateway() -> Gateway:
        return open_gateway(
            baskets=baskets,
            budgets=budgets,
            in_flight=InFlight(),
            record=ledger.record,
            forbidden=forbidden,
            canary=True,
        )

    signs = signer or Signer.new()

    async def sign(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return signs.sign_document(kind, document)

    return Drills(
        Ground(
            baskets=baskets,
            cuts=cuts or Cuts(),
            hold_down=hold_down,
            gateway=gateway,
            forbidden=forbidden,
            score=score,
            currency="USD",
            version="1.2.3",
            loading=lambda _basket: False,
            patience=5,
        ),
        shelf=Shelf(folder, keep=keep),
        ledger=ledger,
        sign=sign,
        basket=basket,
    )
