"""What chooses who is asked never reads what is cut: not by an import, not through an object.

A drill whose cuts routing could see would prove nothing.
"""

import ast
import gc
import sys
import types
from collections import deque
from pathlib import Path

import aiohttp
import pytest

import secondbasket
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cuts
from secondbasket.egress.door import Door
from secondbasket.egress.loopback import Loopback
from secondbasket.maas.baskets import Basket, Baskets
from secondbasket.maas.health import Health
from secondbasket.maas.prober import Prober
from secondbasket.maas.routing import Router
from secondbasket.maas.upstreams.openai import OpenAIUpstream
from secondbasket.policy.destinations import Destination, DestinationRules

ROOT = Path(secondbasket.__file__).parent
HIDDEN = ("secondbasket.egress.cuts", "secondbasket.egress.severable")
MAY_KNOW = ("egress/", "maas/drills/", "app/")


def modules_imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_nobody_else_imports_cuts() -> None:
    knowing = {}
    for path in sorted(ROOT.rglob("*.py")):
        module, source = path.relative_to(ROOT).as_posix(), path.read_text()
        found = modules_imported(source) & {*HIDDEN}
        found |= {name for name in ("severed(", "_inflicted") if name in source}
        if found and not module.startswith(MAY_KNOW):
            knowing[module] = found
    assert knowing == {}


FACTS = UpstreamFacts(name="u", provider="p", law="US", model="m", task="chat", price=Price(0, 0))


def reached(start: object, wanted: object) -> bool:
    """Can `wanted` be had from `start`, by attributes, slots, closures and containers?

    Sessions are not looked into: they are what the sockets are behind.
    """
    seen = {id(start)}
    waiting = deque([start])
    # Modules and what they hold lead everywhere; the import test above is about those.
    globals_of_modules = {id(vars(module)) for module in list(sys.modules.values())}
    while waiting:
        for each in gc.get_referents(waiting.popleft()):
            if each is wanted:
                return True
            if id(each) in seen or id(each) in globals_of_modules:
                continue
            if isinstance(each, types.ModuleType | type | aiohttp.ClientSession):
                continue
            seen.add(id(each))
            waiting.append(each)
    return False


@pytest.mark.anyio
async def test_no_attribute_path_leads_from_routing_to_cuts() -> None:
    cuts = Cuts()
    place = Destination("127.0.0.1", 9)
    door = Door(DestinationRules([place]), lambda _decision: None, cuts=cuts)
    loopback = Loopback(cuts)
    upstreams = [
        OpenAIUpstream(FACTS, session, base_url=f"http://{place}", api_key=None, connect_seconds=1)
        for session in (
            door.session("u", base_url=f"http://{place}", facts=FACTS),
            loopback.session(FACTS),
        )
    ]
    baskets = Baskets([Basket("b", "chat", tuple(upstreams))])
    health = Health()
    router = Router(health)
    prober = Prober(baskets, health, idle_seconds=1)
    with cuts.inflict([]):
        for chooser in (router, health, prober, baskets, router.route(baskets.find("b"))):
            assert not reached(chooser, cuts)
        assert reached(router, health), "the walk sees nothing"
        assert reached(baskets, upstreams[0]), "the walk sees nothing"
        assert reached(door, cuts), "the walk sees nothing"
    await door.aclose()
    await loopback.aclose()
