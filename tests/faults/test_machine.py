"""Upstreams fall ill, recover, close, open and are cut off in any order, while calls come and go.

Whatever happened before, a call keeps every promise; and where one of its upstreams is well and
trusted, it is answered.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from secondbasket.egress.cuts import Cut
from tests.faults.calls import Seen, body, call
from tests.faults.catalogue import BY_NAME
from tests.faults.configuration import Basket, Member, configuration
from tests.faults.house import Customer, House, house
from tests.faults.promises import (
    Part,
    is_billed_as_it_ran,
    is_never_a_false_end,
    leaves_nothing_open,
)
from tests.faults.server import FaultServer, Upstream, WireName
from tests.faults.wire import Kind

SECONDS = 1.5
PATIENCE = 30.0
PRICES = ((1, 2), (10, 20), (100, 200))
LAWS = ("EU", "US", "EU")
WIRES: tuple[WireName, ...] = ("openai", "anthropic", "openai")
DATA_CLASSES = st.sampled_from(["internal", "confidential"])
ORDINARY = (
    "reset",
    "reset midway",
    "cut",
    "bad JSON",
    "no [DONE], unfinished",
    "no [DONE], finished",
    "error as 200",
    "error event first",
    "error event midway",
    "429",
    "429, Retry-After",
    "500",
    "500, then well",
    "usage absurd",
    "usage missing",
    "split frames",
    "stall",
)
FINAL = ("rejects", "declines", "duplicate chunk")
_HEALTH = "failures_to_open = 3\nopen_seconds = 0.2"  # breakers that open and close all the time
NUMBERS = st.integers(0, len(PRICES) - 1)


class Product:
    """The product in a thread of its own, and three servers for its upstreams."""

    def __init__(self, portal: BlockingPortal, home: House, servers: list[FaultServer]) -> None:
        self.portal = portal
        self.home = home
        self.servers = servers
        self._generation = 0

    def begin(self) -> tuple[str, list[Upstream]]:
        """A new basket of three new upstreams, all well: its name, and they."""
        self._generation += 1
        for server in self.servers:
            server.listen()
        basket, upstreams = new_basket(self.servers, self._generation)
        text = configuration(self.servers, [basket], health=_HEALTH)
        self.portal.call(self.home.reconfigure, text)
        return basket.name, upstreams


def new_basket(servers: list[FaultServer], generation: int) -> tuple[Basket, list[Upstream]]:
    upstreams = [
        server.upstream(f"g{generation}-u{number}", WIRES[number])
        for number, server in enumerate(servers)
    ]
    members = [
        Member(upstream, prices=prices, law=law)
        for upstream, prices, law in zip(upstreams, PRICES, LAWS, strict=True)
    ]
    # Text completions ask the same upstreams as chat does.
    return Basket(name=f"g{generation}", kind="chat", members=members, seconds=SECONDS), upstreams


class Vendors(RuleBasedStateMachine):
    product: Product

    def __init__(self) -> None:
        super().__init__()
        self.cuts: dict[str, AbstractContextManager[None]] = {}

    @initialize(first=st.sampled_from(ORDINARY), second=st.sampled_from(("well", *ORDINARY)))
    def begin(self, first: str, second: str) -> None:
        self.basket, self.upstreams = self.product.begin()
        self.shut: set[int] = set()
        self.tags = 0
        self.becomes(0, first)
        self.becomes(1, second)

    @rule(number=NUMBERS, state=st.sampled_from(("well", *ORDINARY, *FINAL)))
    def becomes(self, number: int, state: str) -> None:
        if state == "well":
            self.upstreams[number].heal()
        else:
            self.upstreams[number].fail(BY_NAME[state])

    @rule(number=NUMBERS)
    def closes(self, number: int) -> None:
        self.product.servers[number].shut()
        self.shut.add(number)

    @rule(number=NUMBERS)
    def opens(self, number: int) -> None:
        self.product.servers[number].listen()
        self.shut.discard(number)

    @precondition(lambda self: len(self.cuts) < len(set(LAWS)))
    @rule(law=st.sampled_from(LAWS))
    def is_cut(self, law: str) -> None:
        if law not in self.cuts:
            cuts = self.product.home.stack.door._cuts
            self.cuts[law] = cuts.inflict([Cut("law", law)], live=True)
            self.product.portal.call(self.cuts[law].__enter__)

    @precondition(lambda self: self.cuts)
    @rule()
    def is_restored(self) -> None:
        _, cut = self.cuts.popitem()
        self.product.portal.call(cut.__exit__, None, None, None)

    def teardown(self) -> None:
        while self.cuts:
            self.is_restored()

    @rule()
    def time_passes(self) -> None:
        self.product.portal.call(anyio.sleep, 0.25)

    @rule(
        calls=st.lists(
            st.tuples(st.sampled_from(["chat", "chat", "completion"]), st.booleans()),
            min_size=1,
            max_size=5,
        ),
        data_class=DATA_CLASSES,
    )
    def is_called(self, calls: list[tuple[Kind, bool]], data_class: str) -> None:
        for kind, stream in calls:
            self._is_called(kind, stream, data_class)

    def _is_called(self, kind: Kind, stream: bool, data_class: str) -> None:
        tag = self._new_tag(data_class)
        trusted = self._trusted(kind, data_class)
        seen, customer = self.product.portal.call(self._ask, kind, stream, data_class, tag)
        faults = {each.fault.name for each in self.upstreams if each.fault}
        if not faults & {"duplicate chunk"}:
            is_never_a_false_end(seen, declined=seen.finish_reason == "content_filter")
        if trusted and not faults & set(FINAL):
            assert seen.whole, f"{trusted} could have answered"
        asked = [len(part.calls) for part in self._parts(tag)]
        assert max(asked) <= 2
        assert sum(asked) <= 4
        self.product.portal.call(self._settled, customer, seen, tag)

    @rule(stream=st.booleans(), events=st.integers(0, 30), data_class=DATA_CLASSES)
    def is_left(self, stream: bool, events: int, data_class: str) -> None:
        tag = self._new_tag(data_class)
        customer = self.product.portal.call(self._ask_and_leave, stream, events, data_class, tag)
        self.product.portal.call(self._settled, customer, None, tag)

    @invariant()
    def confidential_data_stays_under_its_law(self) -> None:
        for upstream, law in zip(self.upstreams, LAWS, strict=True):
            assert law == "EU" or not any(b"confidential-" in call.body for call in upstream.calls)

    def _new_tag(self, data_class: str) -> str:
        self.tags += 1
        return f"{data_class}-{self.tags}."

    def _parts(self, tag: str) -> list[Part]:
        pairs = zip(self.upstreams, PRICES, strict=True)
        return [Part(upstream, prices, tag) for upstream, prices in pairs]

    def _trusted(self, kind: Kind, data_class: str) -> list[str]:
        """Upstreams that are well, and that the product has no reason not to ask."""
        health = self.product.home.stack.health
        return [
            upstream.name
            for number, upstream in enumerate(self.upstreams)
            if upstream.fault is None
            and number not in self.shut
            and LAWS[number] not in self.cuts
            and health.of(upstream.name).why_not() is None
            and (data_class != "confidential" or LAWS[number] == "EU")
            and (kind == "chat" or upstream.wire == "openai")
        ]

    async def _ask(
        self, kind: Kind, stream: bool, data_class: str, tag: str
    ) -> tuple[Seen, Customer]:
        home = self.product.home
        customer = await home.customer("caller", x_basket_data_class=data_class)
        async with httpx2.AsyncClient(trust_env=False) as client:
            seen = await call(
                client,
                url=home.address,
                headers=customer.headers,
                model=self.basket,
                kind=kind,
                form="text",
                stream=stream,
                patience=PATIENCE,
                tag=tag,
            )
        return seen, customer

    async def _ask_and_leave(
        self, stream: bool, events: int, data_class: str, tag: str
    ) -> Customer:
        """Hang up after some events, or, where none come yet, after a moment."""
        home = self.product.home
        customer = await home.customer("leaver", x_basket_data_class=data_class)
        asked = body(self.basket, "chat", "text", stream=stream, tag=tag)
        async with httpx2.AsyncClient(trust_env=False) as client:
            with anyio.move_on_after(0.1), contextlib.suppress(httpx2.HTTPError):
                async with client.stream(
                    "POST",
                    f"{home.address}/v1/chat/completions",
                    json=asked,
                    headers=customer.headers,
                ) as response:
                    lines = response.aiter_lines()
                    for _ in range(events):
                        await anext(lines, None)
        return customer

    async def _settled(self, customer: Customer, seen: Seen | None, tag: str) -> None:
        home = self.product.home
        with anyio.fail_after(10):
            await home.stack.in_flight.drained()
        await is_billed_as_it_ran(home, customer, seen, self._parts(tag))
        await leaves_nothing_open(home, self.upstreams)


@pytest.fixture
def product() -> Iterator[Product]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sb-"))
        servers = [stack.enter_context(FaultServer()) for _ in PRICES]
        portal = stack.enter_context(start_blocking_portal())
        basket, _ = new_basket(servers, 0)
        text = configuration(servers, [basket], health=_HEALTH)
        opening = portal.wrap_async_context_manager(house(Path(folder), text))
        yield Product(portal, stack.enter_context(opening), servers)


def test_every_promise_holds_whatever_happens_in_whatever_order(product: Product) -> None:
    machine = type("VendorsHere", (Vendors,), {"product": product})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # every step takes real time: shrinking would take hours
            suppress_health_check=list(HealthCheck),
        ),
    )
